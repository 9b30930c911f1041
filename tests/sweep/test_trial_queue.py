"""Each trial is handed out once, whichever process crashes."""

from optuna.trial import TrialState

from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.trial_queue import MAX_CRASHES


def test_trial_0_is_the_recipe_and_the_others_are_not(make_queue):
    queue, search, _ = make_queue()
    first, second = queue.next_trial("me"), queue.next_trial("me")
    assert (first.number, first.overrides) == (0, ())
    assert second.number == 1
    assert second.overrides[0].startswith("train.learning_rate=")
    assert search.study.trials[0].params == {"train.learning_rate": 2e-4}


def test_there_are_never_more_trials_than_the_total(make_queue):
    queue, _, _ = make_queue(total=3)
    leases = [queue.next_trial("me") for _ in range(5)]
    assert [lease.number for lease in leases if lease] == [0, 1, 2]
    for lease in leases[:3]:
        queue.finish(lease, TrialOutcome("complete", (1.0,)))
    assert queue.next_trial("me") is None
    assert queue.tally().finished


def test_a_released_trial_is_handed_out_again_under_its_number(make_queue):
    queue, _, _ = make_queue()
    lease = queue.next_trial("me")
    queue.release(lease)
    again = queue.next_trial("me")
    assert (again.number, again.overrides, again.crashes) == (lease.number, lease.overrides, 0)
    assert again.token > lease.token


def test_an_owner_with_an_old_token_changes_nothing(make_queue):
    queue, search, ledger = make_queue(seconds=1e-6)
    old = queue.next_trial("another")
    new = queue.next_trial("me")  # the lease had expired
    assert new.number == old.number
    assert new.crashes == 1
    assert not queue.finish(old, TrialOutcome("complete", (5.0,)))
    assert queue.renew([old]) == [old]
    assert not ledger.release(old, crashed=True)
    assert queue.finish(new, TrialOutcome("complete", (1.0,)))
    assert search.study.trials[0].value == 1.0
    assert not queue.finish(new, TrialOutcome("complete", (2.0,)))


def test_a_trial_during_which_too_many_workers_crash_fails_with_their_log(make_queue):
    queue, search, _ = make_queue(total=1)
    for _ in range(MAX_CRASHES):
        assert not queue.record_crash(queue.next_trial("me"), "out of memory", "run")
    assert queue.record_crash(queue.next_trial("me"), "out of memory", "run")
    (row,) = queue.rows()
    assert row.outcome.ending == "failed"
    assert "out of memory" in row.outcome.error
    assert search.study.trials[0].state == TrialState.FAIL


def test_a_coordinator_that_dies_between_study_and_ledger_loses_no_trial(make_queue):
    queue, search, _ = make_queue()
    search.next_trial()
    search.next_trial()  # neither was written into the ledger
    queue, search, _ = make_queue()
    assert [row.number for row in queue.rows()] == [0, 1]
    assert queue.next_trial("me").number == 0
    assert queue.next_trial("me").overrides != ()


def test_a_coordinator_that_dies_in_the_middle_of_choosing_values_lets_the_next_one_complete_them(make_queue):
    _, search, _ = make_queue()
    search.next_trial()
    search.study.ask()  # a trial without any value
    queue, search, _ = make_queue()
    assert search.study.trials[1].params.keys() == {"train.learning_rate"}
    assert queue.rows()[1].overrides[0] == f"train.learning_rate={search.study.trials[1].params['train.learning_rate']}"


def test_a_result_that_optuna_did_not_receive_is_sent_later(make_queue):
    queue, _, ledger = make_queue()
    lease = queue.next_trial("me")
    assert ledger.finish(lease, TrialOutcome("complete", (0.5,), "run"))
    _, search, _ = make_queue()
    assert search.study.trials[0].value == 0.5
    assert search.study.trials[0].user_attrs["run"] == "run"


def test_the_next_process_on_one_machine_takes_over_the_leases_of_the_last(make_queue):
    queue, _, _ = make_queue()
    lease = queue.next_trial("me")
    queue, _, _ = make_queue()
    assert queue.next_trial("me").number == lease.number


def test_the_others_wait_for_the_one_training(make_queue):
    queue, _, _ = make_queue(after_first=True)
    first = queue.next_trial("me")
    assert queue.next_trial("me") is None
    queue.finish(first, TrialOutcome("complete", (1.0,)))
    assert queue.next_trial("me").number == 1


def test_pruned_and_infeasible_trials_are_no_failures_to_optuna(make_queue):
    queue, search, _ = make_queue()
    for ending in ("pruned", "infeasible", "failed"):
        queue.finish(queue.next_trial("me"), TrialOutcome(ending))
    states = [trial.state for trial in search.study.trials]
    assert states == [TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL]
    assert (queue.tally().pruned, queue.tally().failed) == (2, 1)


def test_successive_processes_propose_different_values(make_queue):
    proposed = []
    for _ in range(4):
        queue, search, _ = make_queue(total=10)
        lease = queue.next_trial("me")
        queue.finish(lease, TrialOutcome("complete", (1.0,)))
        proposed.append(search.study.trials[lease.number].params["train.learning_rate"])
    assert len(set(proposed)) == 4
