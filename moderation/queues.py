"""Names that the house and the workers share: queues, tasks, routes and the beat schedule. Constants only."""

SCORING = "scoring"
SCORING_DETOXIFY = "scoring_detoxify"
DELIVERY = "delivery"
HOUSEKEEPING = "housekeeping"
BULK = "bulk"
RESCORING = "rescoring"

QUEUES: tuple[str, ...] = (SCORING, SCORING_DETOXIFY, DELIVERY, HOUSEKEEPING, BULK, RESCORING)

TASK_SCORE = "workers.scoring.score_due"
TASK_SCORE_DETOXIFY = "workers.scoring.score_due_detoxify"
TASK_DELIVER = "workers.delivery.deliver_due"
TASK_HOUSEKEEPING = "workers.housekeeping.sweep"
TASK_BULK = "workers.bulk.work_due"
TASK_RESCORE = "workers.rescoring.work_due"

TASK_QUEUES: dict[str, str] = {
    TASK_SCORE: SCORING,
    TASK_SCORE_DETOXIFY: SCORING_DETOXIFY,
    TASK_DELIVER: DELIVERY,
    TASK_HOUSEKEEPING: HOUSEKEEPING,
    TASK_BULK: BULK,
    TASK_RESCORE: RESCORING,
}

SCORER_TASKS: dict[str, str] = {"builtin": TASK_SCORE, "detoxify": TASK_SCORE_DETOXIFY}
"""Scorer name → the task that works on its rows: every scorer class has its own queue and process."""

SWEPT_TASKS: tuple[str, ...] = tuple(TASK_QUEUES)
"""What beat (or the supervisor, where there is no broker) nudges again and again, so that a lost nudge costs time, not
a comment."""
