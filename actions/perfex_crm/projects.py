"""Projects of Perfex CRM."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.resources import PROJECTS
from connector.apps.perfex_crm.writing import CLEAR, changing, creating, for_customer, removing

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_project = Search(
    app="perfex_crm",
    key="find_project",
    noun="Project",
    label="Find Project",
    description=(
        "Finds projects by id or name, of one customer or of all. "
        "Only exact matches count; capitals and spaces do not matter."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_project"),),
    output=schema("perfex_crm/project_search"),
    demands=finding.needs_one("project_id", "name", "clientid"),
    run=PROJECTS.find,
    scopes=("projects:search",),
    summary="{{ output.count }} found{{ ': ' ~ output.record.name if output.found else '' }}",
)

list_projects = Search(
    app="perfex_crm",
    key="list_projects",
    noun="Project",
    label="List Projects",
    description="Gives projects, all of them or those of a customer or a status.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_projects"),),
    output=schema("perfex_crm/project_search"),
    run=PROJECTS.listed,
    scopes=("projects:get",),
    summary="{{ output.count }} listed",
)

get_project = Search(
    app="perfex_crm",
    key="get_project",
    noun="Project",
    label="Get Project",
    description="Reads one project by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/project_choice"),),
    output=schema("perfex_crm/project"),
    run=PROJECTS.get,
    scopes=("projects:get",),
    summary="{{ output.name }}",
)

create_project = Action(
    app="perfex_crm",
    key="create_project",
    noun="Project",
    label="Create Project",
    description="Starts a project of a customer.",
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/project",
            "data",
            require=(
                "data.name",
                "data.clientid",
                "data.billing_type",
                "data.start_date",
                "data.status",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/projects", root="data", encoding="form"),
    prepare=creating("projects", for_customer),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        find="find_project",
        by={"name": "data.name", "clientid": "data.clientid"},
        read=Request(method="GET", path="/projects/{id}"),
        made_at="project_created",
        when_unsure="resend_once",
    ),
    scopes=("projects:create",),
    summary="Project {{ output.id }}: {{ input.data.name }}",
)

update_project = Action(
    app="perfex_crm",
    key="update_project",
    noun="Project",
    label="Update Project",
    description="Changes the given fields of a project and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/project_choice"), schema("perfex_crm/project", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/projects/{project_id}", root="data"),
    prepare=changing(PROJECTS, "projects"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_project",
        by={"project_id": "project_id"},
        shows="data",
        read=Request(method="GET", path="/projects/{project_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("projects:update", "projects:get"),
    summary="Project {{ input.project_id }} changed",
)

delete_project = Action(
    app="perfex_crm",
    key="delete_project",
    noun="Project",
    label="Delete Project",
    description="Deletes a project for good, with its tasks and files.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/project_choice"),),
    request=Request(method="DELETE", path="/projects/{project_id}"),
    prepare=removing(PROJECTS),
    output=schema("perfex_crm/deleted"),
    removes="project_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("project_id",), when_unsure="repeat"),
    scopes=("projects:delete", "projects:get"),
    summary=(
        "Project {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"
    ),
)
