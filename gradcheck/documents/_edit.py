"""What the families of edits share: the edit, and the text that is edited with all its places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradcheck.documents._sites import Setting, Site, free_indices, index_names, sites
from gradcheck.documents._tidy import tidied
from gradcheck.documents._tree import Group, List, Node, Path, Script, replaced
from gradcheck.documents._write import write

QUANTITIES = ("value", "exponent")


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited formula, the code of the slip that it undoes, how unlikely that is, and what to say.

    `loose`: it has an index that neither a sum binds nor the left side has.
    """

    tree: Node
    cause: str
    cost: float
    words: str
    loose: bool = False


@dataclass(slots=True)
class Text:
    """A formula with its places. `slips`: edits make mistakes in it, and need not repair any."""

    tree: Node
    setting: Setting
    slips: bool = False
    sites: tuple[Site, ...] = field(init=False)
    indices: tuple[str, ...] = field(init=False)
    parents: Mapping[Path, Node] = field(init=False)
    known: frozenset[int] = field(init=False)

    _free: dict[tuple[int, str], frozenset[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sites = tuple(sites(self.tree, self.setting))
        self.parents = {site.path: site.node for site in self.sites}
        self.known = frozenset(id(site.node) for site in self.sites)
        self.indices = index_names(self.tree, self.setting)

    def edit(self, site: Site, new: Node, cause: str, cost: float, words: str) -> Edit:
        """The edit that puts `new` at a place."""
        whole = replaced(self.tree, site.path, new)
        if isinstance(whole, Group) and whole.kind == "(" and not isinstance(whole.body, List):
            whole = whole.body
        return Edit(tidied(whole, self.known), cause, cost, words)

    def is_loose(self, tree: Node) -> bool:
        """Whether an edited tree has an index that neither a sum binds nor the left side has."""
        return not free_indices(tree, self.setting, self.known, self._free) <= set(self.setting.indices)

    @property
    def commas(self) -> bool:
        """Whether indices are written apart by commas."""
        scripts = (site.node.sub for site in self.sites if isinstance(site.node, Script))
        return any(isinstance(sub, List) for sub in scripts)

    def strangeness(self, name: str) -> float:
        """What a name costs that would be unusual: a capital with indices, a small letter in matrix notation."""
        is_entry = bool(self.indices or self.setting.indices)
        return 0.02 if name.lstrip("\\")[:1].isupper() == is_entry else 0.0

    def parent(self, site: Site) -> Node | None:
        """The node around a place; None around the whole."""
        return self.parents[site.path[:-1]] if site.path else None

    @property
    def quantities(self) -> tuple[Site, ...]:
        """The places of values and exponents."""
        return tuple(site for site in self.sites if site.role in QUANTITIES)


def listed(names: tuple[str, ...]) -> str:
    """Names apart by commas."""
    return ", ".join(names)


def should(kind: str, before: Node, after: Node) -> str:
    """`kind` A should be B."""
    return f"{kind} {write(before)} should be {write(after)}"
