"""Flows: one trigger, an optional filter, ordered steps; a YAML document that is checked whole."""

from connector.flow.checking import FlowCheck, check_flow, destructive_steps
from connector.flow.compiled import (
    SKIPPED,
    CompiledFlow,
    CompiledStep,
    CompiledTrigger,
    Condition,
)
from connector.flow.model import Flow, FlowTrigger, Step
from connector.flow.reading import parse_flow

__all__ = [
    "SKIPPED",
    "CompiledFlow",
    "CompiledStep",
    "CompiledTrigger",
    "Condition",
    "Flow",
    "FlowCheck",
    "FlowTrigger",
    "Step",
    "check_flow",
    "destructive_steps",
    "parse_flow",
]
