"""Tasks of Perfex CRM."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.resources import TASKS
from connector.apps.perfex_crm.writing import CLEAR, changing, creating, removing

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_task = Search(
    app="perfex_crm",
    key="find_task",
    noun="Task",
    label="Find Task",
    description=(
        "Finds tasks by id or subject, of all or of what they belong to. "
        "Only exact matches count; capitals and spaces do not matter."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_task"),),
    output=schema("perfex_crm/task_search"),
    demands=finding.needs_one("task_id", "name", "rel_type", "rel_id"),
    run=TASKS.find,
    scopes=("tasks:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.name if output.found else '' }}",
)

list_tasks = Search(
    app="perfex_crm",
    key="list_tasks",
    noun="Task",
    label="List Tasks",
    description="Gives tasks, all of them or those of what they belong to.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_tasks"),),
    output=schema("perfex_crm/task_search"),
    run=TASKS.listed,
    scopes=("tasks:get",),
    summary="{{ output.count }} listed",
)

get_task = Search(
    app="perfex_crm",
    key="get_task",
    noun="Task",
    label="Get Task",
    description="Reads one task by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/task_choice"),),
    output=schema("perfex_crm/task"),
    run=TASKS.get,
    scopes=("tasks:get",),
    summary="{{ output.name }}",
)

create_task = Action(
    app="perfex_crm",
    key="create_task",
    noun="Task",
    label="Create Task",
    description="Adds a task, on its own or to a customer, an invoice, a project and so on.",
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/task",
            "data",
            require=(
                "data.name",
                "data.startdate",
                "data.rel_type",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/tasks", root="data", encoding="form"),
    prepare=creating("tasks"),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        find="find_task",
        by={"name": "data.name", "rel_type": "data.rel_type", "rel_id": "data.rel_id"},
        read=Request(method="GET", path="/tasks/{id}"),
        made_at="dateadded",
        when_unsure="resend_once",
    ),
    scopes=("tasks:create",),
    summary="Task {{ output.id }}: {{ input.data.name }}",
)

update_task = Action(
    app="perfex_crm",
    key="update_task",
    noun="Task",
    label="Update Task",
    description="Changes the given fields of a task and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/task_choice"), schema("perfex_crm/task", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/tasks/{task_id}", root="data"),
    prepare=changing(TASKS, "tasks"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_task",
        by={"task_id": "task_id"},
        shows="data",
        read=Request(method="GET", path="/tasks/{task_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("tasks:update", "tasks:get"),
    summary="Task {{ input.task_id }} changed",
)

delete_task = Action(
    app="perfex_crm",
    key="delete_task",
    noun="Task",
    label="Delete Task",
    description="Deletes a task for good.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/task_choice"),),
    request=Request(method="DELETE", path="/tasks/{task_id}"),
    prepare=removing(TASKS),
    output=schema("perfex_crm/deleted"),
    removes="task_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("task_id",), when_unsure="repeat"),
    scopes=("tasks:delete", "tasks:get"),
    summary=("Task {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"),
)
