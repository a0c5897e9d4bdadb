"""The workers: thin Celery tasks at the door of the house. A task says "look at what is due" and carries no ids."""
