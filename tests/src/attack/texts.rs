//! Texts of actions that once ended the server or held everybody up, and their kin.

/// Those that are short.
const FIXED: [(&str, &str); 14] = [
    (
        "a text in which each letter is replaced by a long one",
        "{{ ('x' * 100000) | replace('x', 'y' * 100000) | length }}",
    ),
    (
        "lines joined by a long text",
        "{{ order.lines | map(attribute='sku') | join('y' * 50000000) }}",
    ),
    ("a text repeated", "{{ 'x' * 100000000 }}"),
    ("a list repeated", "{{ (['aaaaaaaa'] * 100000000)|join }}"),
    ("lines in many slices", "{{ order.lines|slice(100000000) }}"),
    (
        "lines in many batches",
        "{{ order.lines|batch(100000000) }}",
    ),
    ("a text indented", "{{ order.id|indent(1000000000, true) }}"),
    ("a text in the middle", "{{ order.id|center(1000000000) }}"),
    ("a long range", "{{ range(1000000000)|length }}"),
    (
        "a range in a range",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    ),
    (
        "lines in lines in lines",
        "{% for a in order.lines %}{% for b in order.lines %}{% for c in order.lines %}{{ c.name }}\
         {% endfor %}{% endfor %}{% endfor %}",
    ),
    (
        "a loop that calls itself",
        "{% for a in order.lines recursive %}{{ loop(order.lines) }}{% endfor %}",
    ),
    (
        "a macro that calls itself",
        "{% macro m(a) %}{{ m(a) }}{{ m(a) }}{% endmacro %}{{ m(1) }}",
    ),
    ("a large power", "{{ 10 ** 1000000000 }}"),
];

/// The texts, each with its name.
pub fn texts() -> Vec<(&'static str, String)> {
    let doubled = |first: &str, step: &str, times: usize, end: &str| {
        let steps = format!("{{% set x = {step} %}}").repeat(times);
        format!("{{% set x = {first} %}}{steps}{end}")
    };
    let letters = "\"aaaaaaaa\"";
    let repeated = |what: &str, times: usize, with: &str| vec![what; times].join(with);
    let mut texts: Vec<_> = FIXED.map(|(name, text)| (name, text.to_owned())).into();
    texts.extend([
        (
            "a text that doubles 36 times",
            doubled(letters, "x ~ x", 36, "{{ x|length }}"),
        ),
        (
            "a text that doubles 27 times",
            doubled(letters, "x ~ x", 27, "{{ x }}"),
        ),
        (
            "a text whose letters are replaced by itself",
            doubled(letters, "x|replace(\"a\", x)", 4, "{{ x|length }}"),
        ),
        ("lists in lists", doubled("[1]", "[x,x]", 30, "{{ x }}")),
        (
            "lists in lists that are compared",
            doubled("[1]", "[x,x]", 26, "{% set y = x %}{{ [x] == [y] }}"),
        ),
        (
            "a large list that is sorted",
            repeated("{{ range(9000000)|sort|length }}", 5, ""),
        ),
        (
            "60 long constants",
            format!("{{{{ {} }}}}", repeated("\"a\"*99000000", 60, "~")),
        ),
        (
            "four long constants",
            format!("{{{{ {} }}}}", repeated("\"a\"*99000000", 4, "~")),
        ),
        (
            "letters with long capitals",
            format!(
                "{{{{ '{}'{} }}}}",
                "\u{390}".repeat(800),
                repeated("|upper|lower", 30, "")
            ),
        ),
        (
            "a list of everything, often",
            repeated("{{ order.lines }}", 200, ""),
        ),
    ]);
    texts
}
