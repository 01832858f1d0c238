"""Connector: when something happens in one business app, write the right thing in another.

Everything here is found on first use, so that `import connector` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector import finding as finding, updating as updating
    from connector.apps.fatture_in_cloud import fatture as fatture
    from connector.catalog import Catalog as Catalog, load_catalog as load_catalog
    from connector.demands import Demand as Demand
    from connector.derived import (
        Baseline as Baseline,
        Daily as Daily,
        Derive as Derive,
        DerivedTrigger as DerivedTrigger,
    )
    from connector.errors import (
        ApiError as ApiError,
        BundleError as BundleError,
        Conflict as Conflict,
        ConnectorError as ConnectorError,
        ExpressionError as ExpressionError,
        FlowError as FlowError,
        Forbidden as Forbidden,
        HookRefused as HookRefused,
        HookUnsure as HookUnsure,
        Invalid as Invalid,
        Issue as Issue,
        MappingError as MappingError,
        Missing as Missing,
        NotConnected as NotConnected,
        NotSent as NotSent,
        Refused as Refused,
        SchemaError as SchemaError,
        StoreBusy as StoreBusy,
        StoreError as StoreError,
        StoreOwned as StoreOwned,
        TakenOver as TakenOver,
        Throttled as Throttled,
        Unauthorized as Unauthorized,
        Unclear as Unclear,
    )
    from connector.expressions import (
        Filter as Filter,
        compile_expression as compile_expression,
        evaluate as evaluate,
    )
    from connector.flow import check_flow as check_flow, parse_flow as parse_flow
    from connector.hookspecs import hookimpl as hookimpl
    from connector.mapping import compile_mapping as compile_mapping
    from connector.model import (
        Action as Action,
        Answer as Answer,
        App as App,
        Caller as Caller,
        Choice as Choice,
        Connection as Connection,
        Delivery as Delivery,
        Field as Field,
        Hook as Hook,
        HttpRequest as HttpRequest,
        Identity as Identity,
        Inbound as Inbound,
        OAuth2 as OAuth2,
        Operation as Operation,
        Prepared as Prepared,
        Quota as Quota,
        Reader as Reader,
        Request as Request,
        SchemaRef as SchemaRef,
        ScopesBy as ScopesBy,
        Search as Search,
        Token as Token,
        Trigger as Trigger,
        Upload as Upload,
        WebhookSource as WebhookSource,
        schema as schema,
    )
    from connector.plugins import Plugins as Plugins, build_plugins as build_plugins
    from connector.runtime import (
        Parts as Parts,
        Runtime as Runtime,
        Tuning as Tuning,
        open_runtime as open_runtime,
    )
    from connector.settings import Settings as Settings

_WHERE = {
    "catalog": ("Catalog", "load_catalog"),
    "demands": ("Demand",),
    "derived": ("Baseline", "Daily", "Derive", "DerivedTrigger"),
    "errors": (
        "ApiError",
        "BundleError",
        "Conflict",
        "ConnectorError",
        "ExpressionError",
        "FlowError",
        "Forbidden",
        "HookRefused",
        "HookUnsure",
        "Invalid",
        "Issue",
        "MappingError",
        "Missing",
        "NotConnected",
        "NotSent",
        "Refused",
        "SchemaError",
        "StoreBusy",
        "StoreError",
        "StoreOwned",
        "TakenOver",
        "Throttled",
        "Unauthorized",
        "Unclear",
    ),
    "expressions": ("Filter", "compile_expression", "evaluate"),
    "flow": ("check_flow", "parse_flow"),
    "hookspecs": ("hookimpl",),
    "mapping": ("compile_mapping",),
    "model": (
        "Action",
        "Answer",
        "App",
        "Caller",
        "Choice",
        "Connection",
        "Delivery",
        "Field",
        "Hook",
        "HttpRequest",
        "Identity",
        "Inbound",
        "OAuth2",
        "Operation",
        "Prepared",
        "Quota",
        "Reader",
        "Request",
        "SchemaRef",
        "ScopesBy",
        "Search",
        "Token",
        "Trigger",
        "Upload",
        "WebhookSource",
        "schema",
    ),
    "plugins": ("Plugins", "build_plugins"),
    "runtime": ("Parts", "Runtime", "Tuning", "open_runtime"),
    "settings": ("Settings",),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}
_MODULES = {
    "fatture": "apps.fatture_in_cloud.fatture",
    "finding": "finding",
    "updating": "updating",
}
"""What nodes use whole: `finding.pages(…)`."""
_MODULE_OF |= dict.fromkeys(_MODULES, "")

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - the table above is the one list


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'connector' has no attribute {name!r}")
    if not module:
        return import_module(f"connector.{_MODULES[name]}")
    try:
        found = import_module(f"connector.{module}")
    except ModuleNotFoundError as error:
        if module in ("runtime", "settings") and not (error.name or "").startswith("connector"):
            raise ImportError(
                f"connector.{name} needs {error.name}: install connector[server]."
            ) from error
        raise
    value = getattr(found, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
