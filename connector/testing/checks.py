"""What must hold of every node. Each check gives complaints: what is wrong, and what to do.

The loader has checked before that every name a node uses leads somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from connector.building.meanings import WORDS as MEANINGS
from connector.codec import decode, encode
from connector.errors import ConnectorError
from connector.expressions import evaluate
from connector.fields.words import KINDS, WORDS
from connector.model import Action, Field, OAuth2, Operation, SchemaRef, Search, Trigger
from connector.paths import join
from connector.rendering import render_request
from connector.testing.subject import Subject

Complaints = Iterator[str]
NodeCheck = Callable[[Subject], Complaints]

REMOVES = ("delete", "remove", "empty", "purge")
MOST_LABEL = 90
MOST_SUMMARY = 200
_SMALL = frozenset(
    "a an and as at by for from in into of on or the to up via with".split()  # noqa: SIM905
)
_ONE_OF = MappingProxyType({"x-kind": KINDS, "x-means": tuple(MEANINGS)})
_NEW = "a_value_of_tomorrow"


def schemas_are_valid(subject: Subject) -> Complaints:
    """Each schema is a JSON Schema of 2020-12, and our own words in it are right."""
    from jsonschema import Draft202012Validator

    for name in dict.fromkeys(ref.schema_name for ref in subject.refs()):
        raw = subject.catalog.schemas.schema(name)
        for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(raw):
            place = "/".join(map(str, error.absolute_path))
            yield f"{name}.json at /{place} is no valid schema: {error.message}"
        yield from _own_words(name, raw, "")


def _own_words(name: str, raw: Any, at: str) -> Complaints:
    if isinstance(raw, list):
        for index, one in enumerate(raw):
            yield from _own_words(name, one, f"{at}/{index}")
    if not isinstance(raw, Mapping):
        return
    for key, value in raw.items():
        if key.startswith("x-") and not at.endswith("/properties"):
            if key not in WORDS:
                yield f"{name}.json at {at}: {key} is no word of ours. Known: {', '.join(WORDS)}."
            elif not isinstance(value, WORDS[key]):
                yield f"{name}.json at {at}: {key} must be of another type."
            elif key in _ONE_OF and value and value not in _ONE_OF[key]:
                yield f"{name}.json at {at}: {key} is one of {', '.join(_ONE_OF[key])}."
        else:
            yield from _own_words(name, value, f"{at}/{key}")


def fields_are_labelled(subject: Subject) -> Complaints:
    """Each input has words of its own, begins with a capital, and ends without a stop."""
    for field in subject.catalog.fields(subject.node):
        yield from _label(field)
    if isinstance(subject.node, Operation):
        for field in subject.catalog.output_fields(subject.node):
            yield from _label(field)


def _label(field: Field) -> Complaints:
    label = field.label.strip()
    if not label or label == field.path:
        yield f"{field.path} has no label: give it a title."
    elif label != field.label or label[-1] in ".:;!?" or len(label) > MOST_LABEL:
        yield f"{field.path}: the label {field.label!r} should be a short name without a stop."
    elif label[0].islower() and label[1:2].islower():
        yield f"{field.path}: the label {field.label!r} should begin with a capital."


def words_are_in_style(subject: Subject) -> Complaints:
    """A label in title case that begins with the verb of the key; a description of sentences."""
    node = subject.node
    words = node.label.split()
    if len(node.label) > MOST_LABEL or not words:
        yield f"the label {node.label!r} should be a few words."
    for at, word in enumerate(words):
        small = word.lower() in _SMALL and at > 0
        if word[0].islower() and not small and not word[0].isdigit():
            yield f"the label {node.label!r} should be in title case: {word!r}."
    if not re.fullmatch(r"\S.*[.?!)]", node.description, re.DOTALL):
        yield "the description should be sentences that end in a full stop."
    elif not (node.description[0].isupper() or node.description[0].isdigit()):
        yield "the description should begin with a capital."
    if not node.noun.strip():
        yield "the noun is empty: name the record."
    if isinstance(node, Action | Search) and "_" not in node.key:
        yield f"the key {node.key!r} should be verb_noun."
    if isinstance(node, Action) and node.key.split("_")[0] in ("find", "list", "get"):
        yield f"{node.key} reads by its name, so it should be a Search."


def documentation_is_named(subject: Subject) -> Complaints:
    """The vendor's page, of the node or at least of its app, over https."""
    node = subject.node
    url = node.docs_url or subject.catalog.app(node.app).docs_url
    if url is None:
        yield "neither the node nor its app has a docs_url."
    elif not url.startswith("https://"):
        yield f"docs_url must begin with https://, not {url!r}."


def scopes_are_named(subject: Subject) -> Complaints:
    """What the owner must grant, where the app asks for consents; or a reason why nothing."""
    node = subject.node
    if len(set(node.scopes)) != len(node.scopes):
        yield "a scope stands twice."
    for scope in node.scopes:
        if not scope or re.search(r"\s", scope):
            yield f"the scope {scope!r} cannot be asked for."
    consents = isinstance(subject.catalog.app(node.app).auth, OAuth2)
    reason = subject.no_scopes.get(node.key)
    if isinstance(node, Operation) and consents and not node.scopes and not reason:
        yield "it names no scope: name the least that it needs, or say in no_scopes why none."
    if node.scopes and reason:
        yield f"it names scopes although no_scopes says: {reason}"


def destruction_is_marked(subject: Subject) -> Complaints:
    """What removes something says so, so that every face asks first."""
    node = subject.node
    if not isinstance(node, Action):
        return
    verb = node.key.split("_")[0]
    removes = verb in REMOVES or (node.request is not None and node.request.method == "DELETE")
    if removes and not node.destructive:
        yield "it removes something: mark it destructive=True."


def identity_is_declared(subject: Subject) -> Complaints:
    """How a write is recognised, and what follows when nobody knows whether it arrived."""
    node = subject.node
    if not isinstance(node, Action):
        return
    if "identity" not in node.model_fields_set:
        yield "it declares no Identity: say how its record is recognised, or Identity() to park."
        return
    identity = node.identity
    if identity.when_unsure == "resend_once" and identity.find is None:
        yield "resend_once needs a Search that finds the record (find, by)."
    if identity.find is not None and not identity.by:
        yield "find is named, but `by` says not what to look for."
    method = node.request.method if node.request is not None else None
    if identity.when_unsure == "repeat" and method == "POST" and node.key.startswith("create"):
        yield "a create that is repeated makes twins: use resend_once or park."


def sample_is_valid(subject: Subject) -> Complaints:
    """There is a sample, it fits the output's schema, and its keys are known fields."""
    node, catalog = subject.node, subject.catalog
    if isinstance(node, Trigger):
        for resource in node.outputs or (None,):
            sample = catalog.sample(node, resource)
            if not sample:
                yield f"it has no sample for {resource or 'its events'}."
            elif resource is not None:
                yield from _fits(subject, node.outputs[resource], sample["resource"])
        return
    if node.output is None:
        if not node.sample:
            yield "it has neither an output schema nor a sample: people cannot map what it gives."
        return
    sample = catalog.sample(node)
    if not sample:
        yield "its sample is empty: give examples in the schema."
    else:
        yield from _fits(subject, node.output, sample)


def _fits(subject: Subject, ref: SchemaRef, value: Any) -> Complaints:
    for issue in subject.catalog.schemas.issues(ref.model_copy(update={"prefix": ""}), value):
        yield f"the sample of {ref.schema_name} does not fit its schema: {issue}"


def future_is_survived(subject: Subject) -> Complaints:
    """What an app adds tomorrow (a key, a value of a list) does not break what it gives."""
    node, catalog = subject.node, subject.catalog
    refs = list(node.outputs.values()) if isinstance(node, Trigger) else []
    if isinstance(node, Operation) and node.output is not None:
        refs.append(node.output)
    for ref in refs:
        bare = ref.model_copy(update={"prefix": ""})
        choices = {f.path for f in catalog.schemas.fields(bare, output=True) if f.choices}
        later = _aged(catalog.schemas.sample(bare), choices, "")
        for issue in catalog.schemas.issues(bare, later):
            yield (
                f"{ref.schema_name} refuses what may come tomorrow: {issue}"
                " Allow more keys, and mark its choices with x-choices-open."
            )


def _aged(value: Any, choices: set[str], path: str) -> Any:
    if isinstance(value, Mapping):
        aged = {
            key: _aged(inner, choices, f"{path}.{join([key])}" if path else join([key]))
            for key, inner in value.items()
        }
        return {**aged, _NEW: _NEW}
    if isinstance(value, list):
        return [_aged(one, choices, path) for one in value]
    return _NEW if path in choices and isinstance(value, str) else value


def request_renders(subject: Subject) -> Complaints:
    """The inputs of its own samples fit its schemas and make one request."""
    node, catalog = subject.node, subject.catalog
    if not isinstance(node, Operation):
        return
    inputs = subject.inputs()
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            value = inputs[given.prefix] if given.prefix else inputs
            for issue in catalog.schemas.issues(given, value):
                yield f"the examples of {given.schema_name} do not fit it: {issue}"
    if node.request is None:
        return
    try:
        app = catalog.app(node.app)
        request = render_request(app, subject.connection, node.request, inputs)
    except ConnectorError as error:
        yield f"no request can be made of its samples: {error}"
        return
    if re.search(r"[{}\s]", request.url):
        yield f"the address {request.url!r} is not a plain one."


def summary_is_one_line(subject: Subject) -> Complaints:
    """The line for the list of runs can be made of the samples, and says something."""
    node = subject.node
    if not isinstance(node, Operation):
        return
    if not node.summary:
        yield "it has no summary: a list of runs would say nothing of it."
        return
    output = subject.catalog.sample(node)
    with_id = {"id": 1, **output} if isinstance(output, Mapping) else output
    try:
        line = evaluate(node.summary, {"input": subject.inputs(), "output": with_id})
    except ConnectorError as error:
        yield f"its summary cannot be made of the samples: {error}"
        return
    text = str(line)
    if not text.strip() or "\n" in text or len(text) > MOST_SUMMARY:
        yield f"its summary should be one short line, not {text!r}."


def prints_as_json(subject: Subject) -> Complaints:
    """A node is data: as JSON and back, it is the same node."""
    node = subject.node
    printed = node.model_dump()
    again = type(node).model_validate(decode(encode(printed)))
    if again.model_dump() != printed:
        yield "as JSON and back it is another node: keep to what JSON can say."


CHECKS: Mapping[str, NodeCheck] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            schemas_are_valid,
            fields_are_labelled,
            words_are_in_style,
            documentation_is_named,
            scopes_are_named,
            destruction_is_marked,
            identity_is_declared,
            sample_is_valid,
            future_is_survived,
            request_renders,
            summary_is_one_line,
            prints_as_json,
        )
    }
)
