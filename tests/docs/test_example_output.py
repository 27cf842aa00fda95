from docs.example_output import difference


def _same(expected, printed, *, figures_differ=False):
    return not difference(expected.splitlines(), printed, figures_differ=figures_differ)


def test_equal_lines_are_equal_however_wide_their_gaps_are():
    assert _same("gate: 4 pass", "gate: 4 pass\n")
    assert _same("a  b", "a      b\n")
    assert not _same("a b", "ab\n")
    assert not _same("gate: 4 pass", "gate: 5 pass\n")
    assert not _same("gate: 4 pass", "gate: 4 pass\nmore\n")
    assert not _same("gate: 4 pass\nmore", "gate: 4 pass\n")


def test_an_ellipsis_is_any_text_of_a_line_or_any_lines():
    assert _same("a ... c", "a b c")
    assert not _same("a ... c", "a b\nc")
    assert _same("first\n...\nlast", "first\nx\ny\nlast")
    assert _same("first\n...\nlast", "first\nlast")
    assert _same("first\n...", "first\nx\ny")
    assert not _same("...\nlast", "last\nx")


def test_a_time_is_any_time_and_a_number_only_that_number():
    assert _same("it took 1.25 us, and 3 of 4 passed", "it took 980 ns, and 3 of 4 passed")
    assert not _same("it took 1.25 us, and 3 of 4 passed", "it took 980 ns, and 2 of 4 passed")
    assert not _same("it took 1.25 us", "it took long")


def test_figures_that_differ_are_numbers_all_the_same():
    assert _same("accuracy 0.98, 3 flips", "accuracy 0.9711, 12 flips", figures_differ=True)
    assert not _same("accuracy 0.98, 3 flips", "accuracy nan, 12 flips", figures_differ=True)


def test_rules_are_as_wide_as_the_terminal():
    assert _same("====== qbench ======", "================== qbench ==========")
