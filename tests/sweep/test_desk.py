"""Trials are given out once, whoever dies."""

from optuna.trial import TrialState

from workbench.sweep.desk import MAX_DEATHS
from workbench.sweep.ledger import TrialOutcome


def test_trial_0_is_the_recipe_and_the_others_are_not(desk):
    made, search, _ = desk()
    first, second = made.next("me"), made.next("me")
    assert (first.number, first.overrides) == (0, ())
    assert second.number == 1
    assert second.overrides[0].startswith("train.learning_rate=")
    assert search.study.trials[0].params == {"train.learning_rate": 2e-4}


def test_there_are_never_more_trials_than_were_asked_for(desk):
    made, _, _ = desk(total=3)
    leases = [made.next("me") for _ in range(5)]
    assert [lease.number for lease in leases if lease] == [0, 1, 2]
    for lease in leases[:3]:
        made.finish(lease, TrialOutcome("complete", (1.0,)))
    assert made.next("me") is None
    assert made.tally().finished


def test_a_trial_that_was_given_back_is_given_out_again_under_its_number(desk):
    made, _, _ = desk()
    lease = made.next("me")
    made.give_back(lease)
    again = made.next("me")
    assert (again.number, again.overrides, again.deaths) == (lease.number, lease.overrides, 0)
    assert again.token > lease.token


def test_whoever_comes_back_with_an_old_token_changes_nothing(desk):
    made, search, ledger = desk(seconds=1e-6)
    old = made.next("somebody")
    new = made.next("me")  # the lease had expired
    assert new.number == old.number
    assert new.deaths == 1
    assert not made.finish(old, TrialOutcome("complete", (5.0,)))
    assert made.renew([old]) == [old]
    assert not ledger.release(old, died=True)
    assert made.finish(new, TrialOutcome("complete", (1.0,)))
    assert search.study.trials[0].value == 1.0
    assert not made.finish(new, TrialOutcome("complete", (2.0,)))


def test_a_trial_over_which_too_many_workers_die_has_failed_with_their_log(desk):
    made, search, _ = desk(total=1)
    for _ in range(MAX_DEATHS):
        assert not made.lost_worker(made.next("me"), "out of memory", "run")
    assert made.lost_worker(made.next("me"), "out of memory", "run")
    (row,) = made.rows()
    assert row.outcome.ending == "failed"
    assert "out of memory" in row.outcome.error
    assert search.study.trials[0].state == TrialState.FAIL


def test_a_coordinator_that_dies_between_asking_and_writing_loses_no_trial(desk):
    made, search, _ = desk()
    search.next_trial()
    search.next_trial()  # neither was written into the ledger
    made, search, _ = desk()
    assert [row.number for row in made.rows()] == [0, 1]
    assert made.next("me").number == 0
    assert made.next("me").overrides != ()


def test_a_coordinator_that_dies_in_the_middle_of_choosing_values_lets_the_next_one_choose(desk):
    _, search, _ = desk()
    search.next_trial()
    search.study.ask()  # a trial without any value
    made, search, _ = desk()
    assert search.study.trials[1].params.keys() == {"train.learning_rate"}
    assert made.rows()[1].overrides[0] == f"train.learning_rate={search.study.trials[1].params['train.learning_rate']}"


def test_a_result_that_optuna_was_not_told_is_told_later(desk):
    made, _, ledger = desk()
    lease = made.next("me")
    assert ledger.finish(lease, TrialOutcome("complete", (0.5,), "run"))
    _, search, _ = desk()
    assert search.study.trials[0].value == 0.5
    assert search.study.trials[0].user_attrs["run"] == "run"


def test_who_comes_next_on_one_machine_takes_back_what_the_one_before_held(desk):
    made, _, _ = desk()
    held = made.next("me")
    made, _, _ = desk()
    assert made.next("me").number == held.number


def test_the_others_wait_for_the_one_training(desk):
    made, _, _ = desk(after_first=True)
    first = made.next("me")
    assert made.next("me") is None
    made.finish(first, TrialOutcome("complete", (1.0,)))
    assert made.next("me").number == 1


def test_pruned_and_infeasible_trials_are_no_failures_to_optuna(desk):
    made, search, _ = desk()
    for ending in ("pruned", "infeasible", "failed"):
        made.finish(made.next("me"), TrialOutcome(ending))
    states = [trial.state for trial in search.study.trials]
    assert states == [TrialState.PRUNED, TrialState.PRUNED, TrialState.FAIL]
    assert (made.tally().pruned, made.tally().failed) == (2, 1)


def test_processes_that_follow_one_another_do_not_propose_the_same_again(desk):
    proposed = []
    for _ in range(4):
        made, search, _ = desk(total=10)
        lease = made.next("me")
        made.finish(lease, TrialOutcome("complete", (1.0,)))
        proposed.append(search.study.trials[lease.number].params["train.learning_rate"])
    assert len(set(proposed)) == 4
