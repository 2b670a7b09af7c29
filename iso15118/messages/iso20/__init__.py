"""Message types of ISO 15118-20: ``common_types``, ``common_messages`` and one module
per energy transfer service."""
