"""Record runs in MLflow through their journals."""
