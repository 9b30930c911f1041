"""The tracking server's files."""

import re


def test_no_python_file_shadows_the_package(repository):
    assert list((repository / "mlflow").rglob("*.py")) == []


def test_the_server_is_published_on_this_machine_only_and_keeps_its_password_in_the_environment(repository):
    text = (repository / "mlflow" / "compose.yaml").read_text()
    published = re.findall(r'^ +- "([^"]*:5000)"$', text, re.MULTILINE)
    assert published == ["127.0.0.1:${MLFLOW_PORT:-5000}:5000"]
    ports = re.findall(r'^ +- "([^"]*:\d+)"$', text, re.MULTILINE)
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "${POSTGRES_PASSWORD:?" in text
    assert 'MLFLOW_DISABLE_TELEMETRY: "true"' in text
    named = set(re.findall(r"\$\{(\w+)", text))
    offered = set(re.findall(r"^(\w+)=", (repository / "mlflow" / ".env.example").read_text(), re.MULTILINE))
    assert named <= offered
