"""The conformance report: what was found in many messages, counted, and told as a page, as JSON and as JUnit XML."""
