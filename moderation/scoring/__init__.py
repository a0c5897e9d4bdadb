"""How likely a comment is bad: text views, scorers, spam evidence, scores and the work rows that lead to them."""
