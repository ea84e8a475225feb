"""What does a visitor find in the demo company? The front door: load it, and the personas to sign in as."""

from __future__ import annotations

from server.demo.company import PASSWORD
from server.demo.load import DemoSummary, load_demo
from server.demo.personas import PERSONAS, Persona

__all__ = ["PASSWORD", "PERSONAS", "DemoSummary", "Persona", "load_demo"]
