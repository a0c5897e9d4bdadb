"""What all tests in a browser agree on."""

from playwright.sync_api import expect

expect.set_options(timeout=20_000)  # a busy machine is no failure; what must be quick says so itself
