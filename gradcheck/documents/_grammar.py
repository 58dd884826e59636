"""The words of the LaTeX subset: operators, relations, brackets, letters, and which tokens begin a factor."""

from __future__ import annotations

from gradcheck.documents._scan import MATRICES, Token

_RELATION_WORDS = r"""
= := < > \leq \geq \neq \in \notin \leftarrow \rightarrow \mapsto \Rightarrow \Leftrightarrow \equiv \approx \sim
\simeq \propto \subset \subseteq \ll \gg \mid
"""
_FONT_WORDS = r"""
\mathbf \mathrm \mathit \mathcal \mathbb \mathsf \mathfrak \mathscr \mathtt \mathnormal \text \textbf \textit \textrm
"""
_ACCENT_WORDS = r"\hat \tilde \bar \overline \underline \dot \ddot \vec \check \breve \acute \grave"
_LETTER_WORDS = r"""
\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \vartheta \iota \kappa \varkappa \lambda \mu \nu \xi
\omicron \pi \varpi \rho \varrho \sigma \varsigma \tau \upsilon \phi \varphi \chi \psi \omega \Gamma \Delta \Theta
\Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega \ell \partial \nabla \infty \top \dots \star \prime \emptyset
\varnothing \vdots \ddots \wedge \dagger \bot \imath \jmath \hbar \aleph \bullet
"""
_FUNCTION_WORDS = (
    r"\exp \log \ln \tanh \sinh \cosh \coth \sin \cos \tan \cot \sec \csc \arcsin \arccos \arctan \det \arg \max \min"
)
RELATIONS = frozenset(_RELATION_WORDS.split())
OPERATORS = frozenset({"\\cdot", "\\times", "\\odot", "\\circ", "\\otimes", "*", "/", "\\div", "\\bmod"})
BRACKETS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "\\{": "\\}",
    "\\langle": "\\rangle",
    "\\lfloor": "\\rfloor",
    "\\lceil": "\\rceil",
    "\\lvert": "\\rvert",
    "\\lVert": "\\rVert",
    "\\llbracket": "\\rrbracket",
}
EXTREMA = frozenset({"max", "min", "argmax", "argmin"})
BIG = {
    "\\sum": "sum",
    "\\prod": "prod",
    "\\int": "int",
    "\\lim": "lim",
    "\\bigcup": "cup",
    "\\max": "max",
    "\\min": "min",
    "\\sup": "max",
    "\\inf": "min",
    "\\argmax": "argmax",
    "\\argmin": "argmin",
    "max": "max",
    "min": "min",
    "argmax": "argmax",
    "argmin": "argmin",
    "arg max": "argmax",
    "arg min": "argmin",
}
FONTS = frozenset(_FONT_WORDS.split())
SCRIPTS = frozenset({"\\mathcal", "\\mathbb", "\\mathfrak", "\\mathscr"})
ACCENTS = FONTS | frozenset(_ACCENT_WORDS.split())
FUNCTIONS = frozenset(_FUNCTION_WORDS.split())
LETTERLIKE = FUNCTIONS | frozenset(_LETTER_WORDS.split())
CONDITION_WORDS = frozenset({"if", "for", "when", "where", "with", "on", "if and only if"})
CONJUNCTIONS = frozenset({"and", "and for", "and if"})
DISJUNCTIONS = frozenset({"or", "or if"})
DOTS = frozenset({"\\dots", "\\vdots", "\\ddots"})
OTHERWISE = frozenset({"otherwise", "else", "elsewhere", "otherwise."})


def opens_factor(token: Token) -> bool:
    """Whether a factor can begin with a token (a bar apart)."""
    if token.kind in ("number", "name"):
        return True
    if token.kind == "word":
        return token.text.strip(" ,.") not in CONDITION_WORDS | CONJUNCTIONS | DISJUNCTIONS | OTHERWISE
    if token.kind == "begin":
        return token.text == "cases" or token.text in MATRICES
    if token.kind == "symbol":
        return token.text in BRACKETS
    if token.kind != "command" or token.text in RELATIONS | OPERATORS or token.text in ("\\wedge", "\\vee"):
        return False
    return token.text not in BRACKETS.values() and token.text not in ("\\mid", "\\&")
