"""The verdicts of a block: every member of every statement against the head of its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.documents import _expression as e
from gradcheck.documents._beyond import said_of, with_zeros
from gradcheck.documents._branches import tried, with_untaken
from gradcheck.documents._classify import EQUALITIES, Item, Kind, is_stand_in, is_unspecified
from gradcheck.documents._clock import TimeUp, heed
from gradcheck.documents._compare import Outcome, index_of, number, refuse_misfit, same
from gradcheck.documents._draws import Draws
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._entrywise import entrywise
from gradcheck.documents._errors import Blocked, Conformability, Dangling, Outside, Refusal, Undeclared, Unparsed, Wrong
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._forward import gaps_of
from gradcheck.documents._infer import index_size
from gradcheck.documents._kinks import Kink, Kinks, apart_at_ties, is_kinked, kink_of, used_once
from gradcheck.documents._missing import (
    covered,
    missing_in,
    missing_size,
    refuse_bar,
    refuse_inherited,
    refuse_unknown,
)
from gradcheck.documents._model import Block
from gradcheck.documents._ordered import unchecked
from gradcheck.documents._records import Limit, Member
from gradcheck.documents._refusals import told
from gradcheck.documents._relations import refuse_condition, refuse_relation
from gradcheck.documents._results import Result, Verdict
from gradcheck.documents._size_claims import size_gap
from gradcheck.documents._supposed import supposition
from gradcheck.documents._tree import Node, Word, walk
from gradcheck.documents._turned import lay_out
from gradcheck.documents._world import World

_SIMPLE = {
    Kind.UPDATE: (Verdict.UPDATE, "an assignment"),
    Kind.SUBSTITUTION: (Verdict.DEF, "says what an index is"),
    Kind.UPSTREAM: (Verdict.DEF, "a name for a gradient"),
}


@dataclass(slots=True)
class Judged:
    """What became of a member, beyond its result: for the members after it."""

    result: Result
    outcomes: list[Outcome] = field(default_factory=list)
    refusal: Refusal | None = None
    stated: tuple[Item, Node | Refusal | Limit] | None = None
    worlds: list[World] | None = None


class Checker:
    """Checks the statements of one block."""

    def __init__(self, block: Block, file: str, seed: int, trials: int) -> None:
        self.block = block
        self.symbols = block.symbols
        self.file = file
        self.draws = Draws(block, seed, trials)
        self.members: list[Judged] = []
        self._with_zeros: Checker | None = None
        self.slopes: dict[float, int] = {}  # what is taken for ReLU'(0), and on which line
        self.kinks = Kinks(self.symbols, block.ties, seed)

    @property
    def worlds(self) -> list[World]:
        """The values of the symbols in each trial."""
        return self.draws.worlds

    def check(self) -> None:
        """Judge all displayed statements, in order."""
        chain: list[Judged] = []
        for item in self.block.items:
            if item.statement.display.inline or item.statement.display.carried:
                continue
            if not item.statement.continues:
                chain = []
            try:
                members = self.statement(item, chain)
            except Exception as error:  # whatever it is, it is told of this statement, and the others are checked
                members = self._given_up(item, error)
            chain += members
            self.members += members
        lay_out(self.members, self.draws)

    @property
    def results(self) -> list[Result]:
        """The results of all displayed statements, in order."""
        return [one.result for one in self.members]

    # one statement

    def _result(self, item: Item, member: Member, verdict: Verdict, message: str = "", **more: Any) -> Result:
        display, part = item.statement.display, item.statement.part
        line, column = display.place_of(member.offset)
        return Result(
            file=self.file,
            line=line,
            column=column,
            part=part,
            step=max(member.step, 1),
            verdict=verdict,
            message=message,
            text=member.text,
            **more,
        )

    def statement(self, item: Item, chain: Sequence[Judged]) -> list[Judged]:
        """The results of one statement; `chain` has those of the members before, where it continues."""
        statement, rights = item.statement, item.rights
        if statement.fault is not None:
            fault = statement.fault
            verdict = Verdict.UNSUPPORTED if fault.cause else Verdict.UNPARSED
            return [Judged(self._result(item, statement.members[0], verdict, fault.message, cause=fault.cause))]
        if item.kind is Kind.ALONE:
            unread = item.trees[0]
            nothing = Judged(self._result(item, statement.members[0], Verdict.SHAPE, "states nothing"))
            return [nothing if isinstance(unread, Node) else self._refused(item, statement.members[0], unread)]
        if item.kind is Kind.SHAPE:
            return [self._size(item, *right) for right in rights[:1]]
        if item.kind in _SIMPLE:
            verdict, words = _SIMPLE[item.kind]
            first = [Judged(self._result(item, member, verdict, words)) for member, _ in rights[:1]]
            more = rights[1:] if item.kind is Kind.UPSTREAM else []
            return [*first, *self._members(item, more, [*chain, *first])]
        return self._members(item, rights, list(chain))

    def _size(self, item: Item, member: Member, tree: Node | Refusal | Limit) -> Judged:
        drawn = (world.trial.sizes for world in self.worlds)
        gap = size_gap(item.head, tree, self.symbols, drawn) if member.relation in EQUALITIES else None
        if gap is None:
            said = unchecked(member, [item.head, tree], self.symbols)
            return Judged(self._result(item, member, Verdict.UNSUPPORTED if said else Verdict.SHAPE, said))
        message = f"the size is {gap[0]} as stated, {gap[1]} as declared"
        figures = {"cause": "not-conformable", "stated": float(gap[0]), "numerical": float(gap[1])}
        return Judged(self._result(item, member, Verdict.FAIL, message, **figures))

    def _members(
        self, item: Item, rights: Sequence[tuple[Member, Node | Refusal | Limit]], chain: list[Judged]
    ) -> list[Judged]:
        found: list[Judged] = []
        skip = False
        for position, (member, tree) in enumerate(rights):
            if member.relation == "\\in":
                found.append(Judged(self._result(item, member, Verdict.SHAPE)))
                continue
            if skip:
                skip = False
                found.append(
                    Judged(self._result(item, member, Verdict.FAIL, "goes with the sum before", cause="inherited"))
                )
                continue
            following = rights[position + 1][1] if position + 1 < len(rights) else None
            one = self._member(item, member, tree, [*chain, *found])
            one.stated = (item, tree)
            skip = one.result.cause == "spurious-relation" and isinstance(following, Node)
            found.append(one)
        return found

    def _member(
        self,
        item: Item,
        member: Member,
        tree: Node | Refusal | Limit,
        before: Sequence[Judged],
    ) -> Judged:
        try:
            heed()
            return self._read(item, member, tree, before)
        except Exception as error:  # whatever it is, it is told of this member, and the others are checked
            try:
                return self._refused(item, member, error, before)
            except TimeUp as late:
                return self._refused(item, member, late, before)

    def _read(self, item: Item, member: Member, tree: Node | Refusal | Limit, before: Sequence[Judged]) -> Judged:
        """What is wrong for want of a declaration is not."""
        try:
            with entrywise(self.symbols, item.head):
                return self._with_ranges(item, member, tree, before)
        except Outside as error:
            if not error.bare and (beyond := self._beyond(item, member, tree, before)):
                return beyond
            if not self.block.outside:
                refuse_inherited(error, item, self.block)
                unknown = missing_size(tree, self.block) if isinstance(tree, Node) else ""
                name = unknown or f"{error.message}; outside: says what stands there"
                raise Undeclared(name, error.at, name) from error
            wrong: Wrong = error
        except Wrong as error:
            wrong = error
        refuse_unknown(wrong, item, tree, self.block, self.worlds[0])
        raise wrong

    def _beyond(self, item: Item, member: Member, tree: object, before: Sequence[Judged]) -> Judged | None:
        """What is read outside of an array, where nothing says what stands there, once more with 0 there."""
        if self.block.outside or not isinstance(tree, Node):
            return None
        if self._with_zeros is None:
            block, draws = with_zeros(self.block), self.draws
            self._with_zeros = Checker(block, self.file, draws.seed, draws.trials)
        found = self._with_zeros._member(item, member, tree, before)
        said = said_of(found.result.verdict, found.outcomes, tree, self.block, self.worlds[0])
        if said:
            result = self._result(item, member, Verdict.CONVENTION, said, cause="border")
            return Judged(result, found.outcomes)
        found.worlds = self._with_zeros.worlds
        return found if said is not None else None

    def _with_ranges(
        self, item: Item, member: Member, tree: Node | Refusal | Limit, before: Sequence[Judged]
    ) -> Judged:
        """Where nothing in a statement tells the range of an index, other statements may."""
        for _ in range(4):
            try:
                return self._checked(item, member, tree, before)
            except Undeclared as error:
                name = error.symbol if "range of index" in error.message else ""
                size = index_size(name, self.symbols, [one.readable for one in self.block.items]) if name else None
                if size is None or name in self.symbols.ranges:
                    if name and self.block.owns(item):
                        return Judged(self._result(item, member, Verdict.DEF, error.message))
                    raise
                self.symbols.index(name, size)
                self.kinks = Kinks(self.symbols, self.block.ties, self.draws.seed)
                self.draws.forget()
        return self._checked(item, member, tree, before)

    def _given_up(self, item: Item, error: Exception) -> list[Judged]:
        verdict, cause, message = told(error)
        members = [member for member, _ in item.rights] or list(item.statement.members[:1])
        return [Judged(self._result(item, member, verdict, message, cause=cause)) for member in members]

    def _refused(self, item: Item, member: Member, error: Exception, before: Sequence[Judged] = ()) -> Judged:
        verdict, cause, message = told(error)
        if isinstance(error, Outside) and self.block.guesses(item):
            verdict, message = Verdict.UNSUPPORTED, f"{message}; the range of an index is not declared"
        if verdict is Verdict.FAIL and isinstance(error, Dangling):
            for one in before:
                if isinstance(one.refusal, Dangling) and one.refusal.index == error.index:
                    cause = "inherited"
        return Judged(
            self._result(item, member, verdict, message, cause=cause),
            refusal=error if isinstance(error, Refusal) else None,
        )

    def _checked(self, item: Item, member: Member, tree: Node | Refusal | Limit, before: Sequence[Judged]) -> Judged:
        if not isinstance(tree, Node):
            raise tree
        if not isinstance(item.head, Node):
            raise item.head or Unparsed("there is no left side", 0)
        symbol = self.symbols.find(item.head)
        if symbol is not None and symbol.symbol.kind == "loss":
            return Judged(self._result(item, member, Verdict.DEF, "the loss"))
        if is_unspecified(tree, self.symbols):
            return Judged(self._result(item, member, Verdict.DEF, "a function that is not specified"))
        owner = self.block.owns(item)
        if item.defines and not owner and is_stand_in(tree, self.symbols):
            return Judged(self._result(item, member, Verdict.DEF, "a function that is only named"))
        head = elaborate(item.head, self.symbols, conditions=tuple(item.conditions))
        stated = elaborate(tree, self.symbols, head, conditions=tuple(item.conditions))
        if head.expression == stated.expression:
            evaluate(head, self.worlds[0])  # x = x means nothing if x is blocked
        is_definition = owner and member is item.rights[item.adopted][0]
        if is_definition and item.defines is not None and item.defines.parameters and not self._applies(head):
            return Judged(self._result(item, member, Verdict.DEF, "a function of arrays of other shapes"))
        try:
            outcomes, worlds = tried(head, stated, self.draws.of_numbers([head, stated]) or self.draws)
        except Blocked as error:
            if error.symbol not in self.block.inferred and not (item.defines and item.defines.parameters):
                refuse_misfit(error.symbol, stated, self.worlds[0])
            raise
        if is_definition and all(one.agrees for one in outcomes):
            refuse_bar(item, self.block)
            return self._definition(item, member, tree, outcomes)
        if not all(one.agrees for one in outcomes):
            kept = covered(item, tree, self.block, worlds)
            outcomes = [one for one, world in zip(outcomes, worlds, strict=True) if world in kept]
            worlds = kept
        judged = self._judged(item, member, tree, head, stated, outcomes, before)
        judged.worlds = worlds
        judged.result = with_untaken(judged.result, head, stated, worlds, outcomes)
        return judged

    def _applies(self, head: Formula) -> bool:
        """Whether a function can be evaluated at the arrays that its parameters are named after."""
        try:
            evaluate(head, self.worlds[0])
        except (Refusal, Limit) as error:
            return not isinstance(error, Conformability | Undeclared)
        return True

    def _definition(self, item: Item, member: Member, tree: Node, outcomes: list[Outcome]) -> Judged:
        for gap, by_heading in gaps_of(self.block, item, self.worlds):
            if not by_heading or "docs/formulas/" in self.file:
                return Judged(self._result(item, member, Verdict.FAIL, gap, cause="op-mismatch"), outcomes)
            self.block.notes.append(f"{self.file}:{member.line}: {gap}")
        if any(isinstance(node, Word) and node.text.strip() == "maxrow" for _, node in walk(tree)):
            message = "one maximum for each row, over all of its columns"
            return Judged(self._result(item, member, Verdict.CONVENTION, message, cause="row-maximum"), outcomes)
        return Judged(self._result(item, member, Verdict.DEF), outcomes)

    def _judged(
        self,
        item: Item,
        member: Member,
        tree: Node,
        head: Formula,
        stated: Formula,
        outcomes: list[Outcome],
        before: Sequence[Judged],
    ) -> Judged:
        if all(one.agrees for one in outcomes):
            return Judged(self._agreed(item, member, head, stated, outcomes), outcomes)
        border = self.block.interior
        if border is not None:
            inner = [one.interior(border) for one in outcomes]
            if all(one.agrees for one in inner) and any(one.gaps.size for one in inner):
                wrong = sum(int(one.wrong.sum()) for one in outcomes)
                rest = sum(one.gaps.size - two.gaps.size for one, two in zip(outcomes, inner, strict=True))
                message = f"right {border} from the border; at the border {wrong} of {rest} entries differ"
                return Judged(self._result(item, member, Verdict.CONVENTION, message, cause="border"), outcomes)
        if missing := item.doubt or missing_in(head, tree, self.block, self.worlds[0]):
            raise Undeclared(missing, None, missing)
        refuse_condition(item, tree, self.block, [*self.members, *before])
        refuse_relation(head, stated, self.worlds[0])
        if open_ := supposition(head, stated, self.draws):
            raise Undeclared(open_, None, open_)
        return Judged(self._failed(item, member, tree, head, outcomes, before), outcomes)

    def _agreed(self, item: Item, member: Member, head: Formula, stated: Formula, outcomes: list[Outcome]) -> Result:
        if any(one.reshaped for one in outcomes):
            return self._result(item, member, Verdict.CONVENTION, "right up to the shape", cause="reshape")
        if self.block.assumed:
            message = f"right where {self.block.assumed}"
            return self._result(item, member, Verdict.CONVENTION, message, cause="assumption")
        differential = head.expression
        if isinstance(differential, e.Differential) or (isinstance(differential, e.Call) and differential.primes):
            if isinstance(differential, e.Differential) and used_once(differential, self.worlds[0]):
                message = f"right where {differential.by} is used once; otherwise the uses add up"
                return self._result(item, member, Verdict.CONVENTION, message, cause="single-use")
            if is_kinked([head, stated], self.worlds[0]):
                kink = kink_of(head, stated, self.kinks)
                if kink is not None:
                    return self._kinked(item, member, kink)
        elif is_kinked([head, stated], self.worlds[0]):
            apart = apart_at_ties(head, stated, self.kinks)
            if apart is not None:
                message = f"right but where entries are 0 or equal: {apart}"
                return self._result(item, member, Verdict.CONVENTION, message, cause="kink")
        return self._result(item, member, Verdict.PASS)

    def _kinked(self, item: Item, member: Member, kink: Kink) -> Result:
        between = f"{kink.stated:.6g} is stated, the slopes are {kink.lower:.6g} and {kink.upper:.6g}"
        if not kink.inside:
            return self._result(
                item,
                member,
                Verdict.FAIL,
                f"at a kink {between}",
                cause="kink",
                stated=kink.stated,
                numerical=kink.upper,
                index=kink.index,
            )
        share = kink.share
        if share is not None and self.block.relu0 not in (None, share):
            message = f"at a kink the slope {self.block.relu0:g} is declared; {between}"
            return self._result(item, member, Verdict.FAIL, message, cause="kink")
        if share is not None:
            self.slopes.setdefault(share, self._result(item, member, Verdict.CONVENTION).line)
        return self._result(item, member, Verdict.CONVENTION, f"a choice at a kink: {between}", cause="kink")

    def _failed(
        self,
        item: Item,
        member: Member,
        tree: Node,
        head: Formula,
        outcomes: list[Outcome],
        before: Sequence[Judged],
    ) -> Result:
        worst = next(one for one in outcomes if not one.agrees)
        at = worst.worst
        message, index = worst.difference, index_of(at, worst.names)
        figures = {"stated": number(worst.stated[at]), "numerical": number(worst.numerical[at]), "index": index}
        for one in before:
            if one.result.verdict is Verdict.FAIL and same(one.outcomes, outcomes):
                return self._result(item, member, Verdict.FAIL, message, cause="inherited", **figures)
        return self._result(item, member, Verdict.FAIL, message, **figures)
