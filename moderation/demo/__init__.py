"""The demo site: two articles of our own with the comment form, as a news site would carry it. A door."""
