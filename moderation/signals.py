"""The signals: what is measured about a text, each a probability 0..1.

The first seven are the names of Detoxify's `unbiased` and `multilingual` models
(https://github.com/unitaryai/detoxify), so that thresholds and scores carry the names the field knows.
`spam` is ours.
"""

TOXICITY = "toxicity"
SEVERE_TOXICITY = "severe_toxicity"
OBSCENE = "obscene"
THREAT = "threat"
INSULT = "insult"
IDENTITY_ATTACK = "identity_attack"
SEXUAL_EXPLICIT = "sexual_explicit"
SPAM = "spam"

SIGNALS: tuple[str, ...] = (
    TOXICITY,
    SEVERE_TOXICITY,
    OBSCENE,
    THREAT,
    INSULT,
    IDENTITY_ATTACK,
    SEXUAL_EXPLICIT,
    SPAM,
)
