"""The tools about items: one by its ARN, a search, what changed, and where a row or a gap comes from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from pipelines.cli.explain import Explanation, NothingKnown, explain_cell, explain_resource
from pipelines.cli.mcp.answer import Answer
from pipelines.cli.mcp.bounds import PART_OF
from pipelines.cli.mcp.lineage import EVERYTHING, Read
from pipelines.cli.mcp.mentions import ARN, Mentions
from pipelines.cli.mcp.parameters import Account, Limit, Region, ResourceType, named
from pipelines.cli.mcp.queries import ROWS, Published, QueryRefused
from pipelines.plain_text import plain

KIND_IS_KNOWN = """
    with kind as (
        select
            regexp_extract($identifier, '^(arn:[^:]*:[^:]*):', 1) as service,
            regexp_extract($identifier, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([a-z-]*)[/:]', 1) as type_name,
            regexp_extract($identifier, '^([a-z]+-)[0-9a-f]+$', 1) as prefix
    )

    select exists(
        select 1
        from cmdb.resource as item
        cross join kind
        where
            kind.service <> ''
            and starts_with(item.arn, kind.service || ':')
            and regexp_extract(item.arn, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([a-z-]*)[/:]', 1) = kind.type_name
            or kind.service = '' and kind.prefix <> '' and starts_with(item.resource_id, kind.prefix)
    )
"""
"""Whether any resource of the kind that an ARN or an id names is in the inventory."""


@dataclass(frozen=True)
class ItemTools:
    """What an assistant may ask about items."""

    published: Published

    def resource(
        self,
        identifier: Annotated[str, Field(description="The ARN, or the service's own id such as i-0123456789abcdef0.")],
        about: Annotated[
            Literal["item", "relations", "cost", "changes"], Field(description="What to show of it.")
        ] = "item",
    ) -> Answer:
        """One resource by its ARN or id: the item itself, its relations, its cost by month, or its versions."""
        with self.published.opened() as connection:
            known = connection.execute(
                """
                select arn, caller_account_id, cell_region, split_part(listing, ':', 1) from cmdb.resource
                where arn = $identifier or resource_id = $identifier
                """,
                {"identifier": identifier},
            ).fetchall()
        arns = [arn for arn, *_ in known]
        cells = [
            Read("cmdb.resource", named(account), named(cell_region), listings=named(listing), is_exact=True)
            for _, account, cell_region, listing in known
        ]
        if not known:
            read, mentions = self._missing(identifier)
            return self.published.answer("select * from cmdb.resource where false", {}, [read], mentions)
        query, reads = {
            "item": ("select * from cmdb.resource where list_contains($arns, arn)", cells),
            "relations": (
                """
                select from_arn, relation, to_arn, from_resource_type, to_resource_type, source, first_seen_at
                from cmdb.relationship
                where ended_at is null and (list_contains($arns, from_arn) or list_contains($arns, to_arn))
                order by all
                """,
                [Read("cmdb.relationship")],
            ),
            "cost": (
                """
                select "month", arn, service, cost, currency, attribution, through_date, is_final
                from cost.resource_cost where list_contains($arns, arn) order by "month" desc, service
                """,
                [Read("cost.resource_cost")],
            ),
            "changes": (
                """
                select valid_from, valid_to, change, changed_attributes, status, attributes
                from cmdb.resource_version where list_contains($arns, arn) order by valid_from desc
                """,
                [Read("cmdb.resource_version")],
            ),
        }[about]
        return self.published.answer(query, {"arns": arns}, reads)

    def search(
        self,
        text: Annotated[
            str, Field(description="Part of an ARN, id, name, tag or attribute; empty for everything.")
        ] = "",
        resource_type: ResourceType = "",
        account_id: Account = "",
        region: Region = "",
        with_retired: Annotated[bool, Field(description="Also what is gone.")] = False,
        limit: Limit = ROWS,
    ) -> Answer:
        """Resources of the inventory, by text, type, account and region."""
        return self.published.answer(
            """
            select
                arn, resource_type, name, account_id, region, state, status, business_service, business_owner,
                environment, is_stale, last_seen_at, tags, count(*) over () as of_count
            from cmdb.resource
            where
                ($text = '' or contains(
                    lower(concat_ws(' ', arn, resource_id, name, tags::varchar, attributes::varchar)), lower($text)
                ))
                and ($type = '' or resource_type = $type)
                and ($account = '' or account_id = $account)
                and ($region = '' or region = $region)
                and ($retired or status <> 'retired')
            order by account_id, region, resource_type, arn
            """,
            {
                "text": text, "type": resource_type, "account": account_id, "region": region, "retired": with_retired,
            },
            [Read("cmdb.resource", named(account_id), named(region))],
            _searched(text, resource_type),
            limit,
        )  # fmt: skip

    def changes(
        self,
        days: Annotated[int, Field(description="How many days back from the newest run.", ge=1, le=4000)] = 7,
        account_id: Account = "",
        resource_type: ResourceType = "",
        limit: Limit = ROWS,
    ) -> Answer:
        """What began, changed, went missing or was retired in the inventory."""
        with self.published.opened() as connection:
            row = connection.execute("select max(finished_at) from audit.run where outcome = 'published'").fetchone()
        newest = row[0] if row and row[0] else datetime.now(UTC)
        since = newest - timedelta(days=days)
        return self.published.answer(
            """
            select valid_from, change, resource_type, account_id, arn, changed_attributes, status
            from cmdb.resource_version
            where
                valid_from >= $since
                and ($account = '' or account_id = $account)
                and ($type = '' or resource_type = $type)
            order by valid_from desc, arn
            """,
            {"since": since, "account": account_id, "type": resource_type},
            [Read("cmdb.resource_version", named(account_id))],
            Mentions(named(resource_type), days=frozenset({since.date()})),
            limit,
        )

    def explain(
        self,
        what: Annotated[
            str, Field(description="An ARN; or account, region and listing with blanks between, as coverage has them.")
        ],
    ) -> Answer:
        """Where a resource or a gap comes from: cell, caller, request, evidence, and what would mend it."""
        words = what.split()
        match words:
            case [arn] if arn.startswith("arn:"):
                read, mentions = self._missing(arn)
            case [account, region, listing]:
                mentions = Mentions()
                name = listing.partition(":")[0]
                read = Read(EVERYTHING, named(account), named(region), listings=named(name), is_exact=True)
            case _:
                raise QueryRefused("Name a resource by its ARN, or a cell by account, region and listing.")
        found = Explanation()
        try:
            store = self.published.store
            store.require_current_schema()
            found = explain_resource(store, arn) if len(words) == 1 else explain_cell(store, *words)
        except NothingKnown as error:
            found.add("not known", str(error))
            return self._explained(found, [read], mentions, is_nothing=True)
        reads = [
            Read(
                EVERYTHING, named(cell["account_id"]), named(cell["region"]),
                listings=named(cell["listing"].partition(":")[0]), is_exact=True,
            )
            for cell in found.data["cells"]
        ]  # fmt: skip
        return self._explained(found, reads or [read], Mentions(), is_nothing=False)

    def _missing(self, identifier: str) -> tuple[Read, Mentions]:
        """Where a resource that the inventory lacks would be, and whether its kind is in the inventory at all."""
        with self.published.opened() as connection:
            row = connection.execute(KIND_IS_KNOWN, {"identifier": identifier}).fetchone()
        account, region = _place_of(identifier)
        is_known = bool(row and row[0]) and not PART_OF.match(identifier)
        mentions = Mentions(strange=frozenset() if is_known else frozenset({identifier}))
        return Read("cmdb.resource", named(account), named(region)), mentions

    def _explained(self, found: Explanation, reads: list[Read], mentions: Mentions, *, is_nothing: bool) -> Answer:
        """The lines of an explanation as rows, weighed by the cells that it is about."""
        lines = [[topic, plain(text, lines=True)] for topic, text in found.lines]
        query = "select null as topic where false" if is_nothing else "select 'explained' as topic"
        answer = self.published.answer(query, {}, reads, mentions)
        answer.columns, answer.rows, answer.row_count = ["topic", "text"], list(lines), len(lines)
        return answer


def _searched(text: str, resource_type: str) -> Mentions:
    """What a search is about. Of one collected type, no other one could have the text."""
    is_arn = text.startswith(ARN)
    texts = named(text) if not (is_arn or resource_type) else frozenset[str]()
    return Mentions(named(resource_type), arns=named(text) if is_arn else frozenset(), texts=texts)


def _place_of(arn: str) -> tuple[str, str]:
    """Account and region of an ARN, as far as it names them."""
    parts = arn.split(":", 5)
    return (parts[4], parts[3]) if len(parts) == 6 and parts[0] == "arn" else ("", "")
