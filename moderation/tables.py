"""Every table of the house in one place, so that `Base.metadata` is whole for migrations and tests."""

from moderation.accounts import models as accounts
from moderation.alerts import models as alerts
from moderation.archive import models as archive
from moderation.comments import models as comments
from moderation.db import Base
from moderation.delivery import models as delivery
from moderation.health import models as health
from moderation.policy import models as policy
from moderation.rescoring import models as rescoring
from moderation.review import models as review
from moderation.scoring import models as scoring

metadata = Base.metadata
ROOMS = (accounts, comments, scoring, policy, review, delivery, archive, rescoring, alerts, health)
