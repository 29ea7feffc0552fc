"""The sending side: publish, fan out, send, decide, record. See DESIGN.md, "The flow"."""
