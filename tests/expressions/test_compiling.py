"""Compiling: what an expression reads, and every error with its place and remedy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connector.errors import ExpressionError
from connector.expressions import Expression, compile_expression, evaluate
from tests.expressions.kit import CONTEXT, error_of


class TestCompiling:
    def test_references_are_the_source_paths_in_order(self) -> None:
        made = compile_expression(
            "{{ b.c | default(a.d) }} {% for x in a.rows %}{{ x.name ~ other[0].k }}{% endfor %}"
            "{{ b['c'] }}{{ e[f].g }}{{ h.i.upper() }}{{ l[1:].x | default }}"
        )
        assert made.references == ("b.c", "a.d", "a.rows", "other.0.k", "e", "f", "h.i", "l")

    def test_a_key_with_a_dot_is_written_as_paths_do(self) -> None:
        assert compile_expression("{{ a['b.c'] }}").references == ("a.b\\.c",)

    def test_variables_are_not_references(self) -> None:
        made = compile_expression(
            "{% set x = a %}{% for y in x %}{{ y.z ~ loop.index }}{% endfor %}"
        )
        assert made.references == ("a",)

    def test_unknown_root_names_are_found_with_the_nearest(self) -> None:
        with pytest.raises(ExpressionError) as caught:
            compile_expression("{{ triger.x }}", names=["trigger", "steps"])
        assert "'trigger'" in caught.value.remedy
        assert caught.value.offset == 3
        assert caught.value.field == "triger"

    def test_known_root_names_pass_and_now_is_none_of_them(self) -> None:
        compile_expression(
            "{{ trigger.x ~ now() }}{% for a in steps %}{{ a }}{% endfor %}",
            names={"trigger", "steps"},
        )

    @pytest.mark.parametrize(
        ("source", "near"),
        [
            ("{{ x | uper }}", "'upper'"),
            ("{{ x is defind }}", "'defined'"),
            ("{{ x.uper() }}", "'upper'"),
            ("{{ x | map('uper') }}", "'upper'"),
            ("{{ x | select('od') }}", "'odd'"),
        ],
    )
    def test_unknown_filters_tests_and_methods_are_found_with_the_nearest(
        self, source: str, near: str
    ) -> None:
        with pytest.raises(ExpressionError) as caught:
            compile_expression(source)
        assert near in caught.value.remedy
        assert caught.value.offset is not None

    @pytest.mark.parametrize(
        "source",
        [
            "{{ x | replace('a') }}",
            "{{ x | replace('a', 'b', 1, 2) }}",
            "{{ x | replace('a', other=1) }}",
            "{{ x | replace('a', 'b', old='c') }}",
            "{{ x | upper('a') }}",
            "{{ x is even(1) }}",
            "{{ x | map('replace') }}",
            "{{ x | map(x) }}",
            "{{ x | map('map', 'upper') }}",
            "{{ x | select('gt') }}",
            "{{ x | round(precision=1, precision=2) }}",
        ],
    )
    def test_arguments_that_do_not_fit_are_found_without_data(self, source: str) -> None:
        with pytest.raises(ExpressionError):
            compile_expression(source)

    @pytest.mark.parametrize(
        ("source", "offset"),
        [
            ("{{ a", 4),
            ("{{ a + }}", 7),
            ("x {{ 'a }}", 5),
            ("{{ a b }}", 5),
            ("{{ a }} {% endif %}", 11),
            ("{% if a %}x", 11),
            ("{{ (a }}", 6),
            ("{{ a) }}", 4),
            ("{{ }}", 3),
            ("{% nothing %}", 3),
            ("{{ a.%b }}", 5),
            ("{{ ? }}", 3),
        ],
    )
    def test_syntax_errors_are_our_sentences_with_their_offset(
        self, source: str, offset: int
    ) -> None:
        with pytest.raises(ExpressionError) as caught:
            compile_expression(source)
        assert caught.value.offset == offset
        assert caught.value.message.startswith("The expression")
        assert caught.value.remedy

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("{{ ² }}", "is not a name"),
            ("{% for a in b recursive %}{% endfor %}", "Recursive loops"),
            ("{% for a in b %}{% endfor %}{{ a ** 2 }}", "not available"),
            ("{{ _a }}", "underscore"),
            ("{{ a._b }}", "underscore"),
            ("{{ a['_b'] }}", "underscore"),
            ("{{ {'_a': 1} }}", "underscore"),
            ("{{ a | _b }}", "underscore"),
            ("{{ a is _b }}", "underscore"),
            ("{{ a | upper(_b=1) }}", "underscore"),
            ("{{ a._b() }}", "underscore"),
            ("{% set _a = 1 %}", "underscore"),
            ("{% for _a in b %}{% endfor %}", "underscore"),
            ("{{ a | upper(*b) }}", "arguments are not available"),
            ("{{ a | upper(**b) }}", "arguments are not available"),
            ("{{ a is odd(*b) }}", "arguments are not available"),
            ("{{ a.upper(*b) }}", "arguments are not available"),
        ],
    )
    def test_what_is_not_allowed_says_so(self, source: str, words: str) -> None:
        with pytest.raises(ExpressionError, match=words) as caught:
            compile_expression(source)
        assert caught.value.offset is not None

    def test_the_offset_counts_over_lines_and_comments(self) -> None:
        source = "{# note #}\nuno {{ a }}\n{{ b | nofilter }}"
        with pytest.raises(ExpressionError) as caught:
            compile_expression(source)
        assert source[caught.value.offset :].startswith("nofilter")

    def test_the_same_source_is_compiled_once(self) -> None:
        assert compile_expression("{{ once.only }}") is compile_expression("{{ once.only }}")

    def test_nothing_is_computed_when_compiling(self) -> None:
        for source in (
            "{{ 1 / 0 }}",
            "{{ 'a' * 9999999 }}",
            "{{ [0] * 9999999 }}",
            "{{ 1 + 'a' }}",
        ):
            assert isinstance(compile_expression(source), Expression)

    def test_the_representation_shows_the_source(self) -> None:
        assert repr(compile_expression("{{ a }}")) == "Expression('{{ a }}')"


class TestErrors:
    @pytest.mark.parametrize(
        ("source", "field"),
        [
            ("{{ trigger.resource.name | round }}", "trigger.resource.name"),
            ("{{ trigger.resource.name | upper | round }}", "trigger.resource.name"),
            ("{{ trigger.resource.lines[0].sku | vat_it }}", "trigger.resource.lines.0.sku"),
            ("{{ trigger.resource.name.index('x') }}", "trigger.resource.name"),
            ("{{ trigger.resource.id[1:] }}", "trigger.resource.id"),
        ],
    )
    def test_an_error_names_the_place_its_value_came_from(self, source: str, field: str) -> None:
        error = error_of(source)
        assert error.field == field
        assert error.offset is not None

    @pytest.mark.parametrize(
        "source",
        [
            "{{ trigger.resource.name + 1 }}",
            "{{ 1 - none }}",
            "{{ [1] * [2] }}",
            "{{ {} + {} }}",
            "{{ true + 1 }}",
            "{{ -'a' }}",
            "{{ +none }}",
            "{{ 1 < 'a' }}",
            "{{ none < 1 }}",
            "{{ [1] < [2] }}",
            "{{ 1 in 'a1' }}",
            "{{ 1 in 2 }}",
            "{{ '%s' % 'a' }}",
            "{{ 'a' * 1.5 }}",
            "{{ 1 / 0 }}",
            "{{ 1 // 0.0 }}",
            "{{ 1 % 0 }}",
            "{{ x[1.5] }}",
            "{{ [1][none] }}",
            "{{ {none: 1} }}",
            "{{ [1]['a':] }}",
            "{{ 'abc'[::0] }}",
            "{{ 'a'.replace('a') }}",
            "{{ 'a'.replace(1, 2) }}",
            "{{ 'a'.split(sep=',') }}",
            "{{ 1.upper() }}",
            "{{ trigger.resource.id.upper() }}",
            "{{ x() }}",
            "{{ 'a'.upper()() }}",
            "{{ ('a' | upper)() }}",
        ],
    )
    def test_wrong_kinds_are_told_in_our_words(self, source: str) -> None:
        error = error_of(source)
        assert "object at" not in str(error)
        assert "Traceback" not in str(error)
        assert error.offset is not None

    @pytest.mark.parametrize("sign", ["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">="])
    @pytest.mark.parametrize(
        ("left", "right"),
        [("'a'", "1"), ("1", "'a'"), ("1.5", "none"), ("none", "2"), ("true", "1"), ("1", "false"),
         ("[]", "1.5"), ("{}", "1"), ("1", "{}"), ("{}", "{}"), ("[1]", "'a'"), ("none", "none")],
    )  # fmt: skip
    def test_operators_take_numbers_or_like_kinds_only(
        self, left: str, right: str, sign: str
    ) -> None:
        if sign == "*" and {left, right} == {"'a'", "1"}:
            pytest.skip("a text may be repeated")
        error = error_of(f"{{{{ {left} {sign} {right} }}}}")
        assert error.value_type
        assert error.offset == 3

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("{{ '%s' % 'a' }}", r"'%' does not fill in texts"),
            ("{{ [1] | map(x) }}", "must be written out"),
            ("{{ [1] | select(x, 1) }}", "must be written out"),
            ("{{ 1.upper() }}", "Number has no method 'upper'"),
            ("{{ 'a'.items() }}", "Text has no method 'items'"),
            ("{{ none[1:] }}", "Nothing cannot be cut"),
            ("{{ 'a'.replace('b') }}", "arguments of .replace"),
            ("{{ x() }}", "can be called"),
            ("{% for x.y in [1] %}{% endfor %}", "cannot be read|needs names"),
            ("{% for loop in [1] %}{% endfor %}", "'loop' is taken"),
            ("{% for now in [1] %}{% endfor %}", "'now' is taken"),
            ("{{ [1]['_' ~ 'a'] }}", "underscore"),
            ("{{ {}.get('_' ~ 'a') }}", "underscore"),
            ("{{ [{}] | map(attribute='a._b') }}", "underscore"),
        ],
    )
    def test_it_says_what_is_wrong(self, source: str, words: str) -> None:
        with pytest.raises(ExpressionError, match=words):
            evaluate(source, CONTEXT)

    def test_values_are_not_shown_in_errors(self) -> None:
        private = "RSSMRA80A01H501U"
        for source in ("{{ x | vat_it }}", "{{ x + 1 }}", "{{ x | decimal }}", "{{ x.y }}"):
            assert private not in str(error_of(source, {"x": private}))


def test_the_room_is_entered_without_jinja_and_other_heavy_modules() -> None:
    heavy = ["jinja2", "babel", "stdnum"]
    code = (
        "import sys\nfrom connector.expressions import evaluate\n"
        f"before = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert evaluate('plain text', {}) == 'plain text'\n"
        "assert not before and 'jinja2' not in sys.modules, before\n"
        "assert evaluate('{{ 1 + 1 }}', {}) == 2\n"
        "assert 'jinja2' in sys.modules and 'babel' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
