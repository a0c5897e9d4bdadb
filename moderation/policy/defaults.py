"""The policy that a new site starts with.

The built-in scorer's hold marks are those that its training chose on the development data and wrote into its artefact
(docs/model-card.md names the command and the share of bad comments that they let through; a test holds the two
together). They are low where missing abuse costs more than reading a harmless comment. Detoxify's are a start, not
calibrated for your readers. Automatic rejection is off: see docs/concepts.md.
"""

from typing import Any

DEFAULT_DOCUMENT: dict[str, Any] = {
    "mode": "auto",
    "auto_reject": False,
    "max_links": 2,
    "new_author": False,
    "burst_author": 10,
    "burst_network": 30,
    "burst_site": 500,
    "repeated_text": 3,
    "bands": {
        "builtin": {
            "toxicity": {"hold": 0.424, "reject": 0.97},
            "severe_toxicity": {"hold": 0.792, "reject": 0.95},
            "obscene": {"hold": 0.392, "reject": 0.97},
            "threat": {"hold": 0.447, "reject": 0.95},
            "insult": {"hold": 0.59, "reject": 0.97},
            "identity_attack": {"hold": 0.524, "reject": 0.95},
            "sexual_explicit": {"hold": 0.638, "reject": 0.99},
            "spam": {"hold": 0.392, "reject": 0.97},
        },
        "detoxify": {
            "toxicity": {"hold": 0.6, "reject": 0.97},
            "severe_toxicity": {"hold": 0.3, "reject": 0.8},
            "obscene": {"hold": 0.7, "reject": 0.97},
            "threat": {"hold": 0.4, "reject": 0.9},
            "insult": {"hold": 0.6, "reject": 0.97},
            "identity_attack": {"hold": 0.4, "reject": 0.9},
            "sexual_explicit": {"hold": 0.5, "reject": 0.95},
        },
    },
    "word_lists": [],
    "blocked_authors": [],
    "blocked_domains": [],
}
