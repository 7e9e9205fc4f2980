use std::fs;

use minijinja::{context, value::Serde};
use serde_json::json;
use tempfile::TempDir;

use super::*;

struct Shop(TempDir);

impl Shop {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (file, source) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, source).unwrap();
        }
        Self(folder)
    }

    fn render(&self, name: &str, store_view: &str) -> Result<Rendered, TemplateError> {
        let context = Value::from(Serde(json!({
            "order": {"id": "42", "lines": vec!["x"; 500]},
            "comment": "<i>a</i> & b",
        })));
        Templates::in_directory(self.0.path()).render(name, store_view, &context)
    }

    fn problem(&self, name: &str, store_view: &str) -> String {
        self.render(name, store_view).unwrap_err().to_string()
    }
}

#[test]
fn a_file_is_looked_for_in_three_places() {
    let shop = Shop::with(&[
        ("a.subject.txt", "all"),
        ("a.txt", "text of all"),
        ("a.html", "html of all"),
        ("de/a.txt", "text of de"),
    ]);
    let rendered = shop.render("a", "de").unwrap();
    assert_eq!(rendered.subject, "all");
    assert_eq!(rendered.text.as_deref(), Some("text of de"));
    assert_eq!(rendered.html.as_deref(), Some("html of all"));
    for store_view in ["", "fr"] {
        let rendered = shop.render("a", store_view).unwrap();
        assert_eq!(rendered.text.as_deref(), Some("text of all"));
    }
}

#[test]
fn a_missing_directory_is_logged_once_and_again_when_it_is_back() {
    let shop = Shop::with(&[("a.txt", "a")]);
    let path = shop.0.path().to_owned();
    let templates = Templates::in_directory(&path);
    let directory = templates.directory.as_ref().unwrap();
    assert_eq!(directory.change(), None);
    fs::remove_dir_all(&path).unwrap();
    // What is cloned looks at the same directory.
    let clone = templates.clone().directory.unwrap();
    assert_eq!(clone.change(), Some(true));
    assert_eq!(directory.change(), None);
    fs::create_dir(&path).unwrap();
    assert_eq!(directory.change(), Some(false));
    assert_eq!(clone.change(), None);
}

#[test]
fn the_names_of_templates_are_known() {
    let names = |templates: &Templates| Vec::from_iter(templates.names().unwrap());
    let built_in = names(&Templates::embedded());
    assert_eq!(
        built_in,
        [
            "new_order",
            "new_order_guest",
            "order_update",
            "order_update_guest"
        ]
    );
    let shop = Shop::with(&[
        ("a.subject.txt", "a"),
        ("a.html", "a"),
        ("de/b.subject.txt", "b"),
        ("fr/b.txt", "b"),
        ("no_subject.txt", "c"),
        ("no_body.subject.txt", "d"),
        ("README.md", "e"),
        ("Bad.txt", "f"),
        ("Bad.subject.txt", "f"),
    ]);
    let own = names(&Templates::in_directory(shop.0.path()));
    assert_eq!(
        own,
        [vec!["a".to_owned(), "b".to_owned()], built_in.clone()].concat()
    );
    let gone = shop.0.path().join("gone");
    assert_eq!(names(&Templates::in_directory(gone)), built_in);
    let file = shop.0.path().join("a.html");
    assert_eq!(Templates::in_directory(file).names(), None);
}

#[test]
fn what_the_shop_lacks_is_built_in() {
    let own = "Order {{ order.id }} {% include \"new_order.subject.txt\" %}";
    let shop = Shop::with(&[("new_order.subject.txt", "own\n"), ("mine.txt", own)]);
    let shop_subject = |name| shop.render(name, "").map(|rendered| rendered.subject);
    // A text without a subject of its own.
    assert!(matches!(
        shop_subject("mine"),
        Err(TemplateError::NoSubject { .. })
    ));
    // Its subject is the shop's, its body the built-in one, which this context does not fill.
    let problem = shop.problem("new_order", "");
    assert!(
        problem.contains("new_order.txt (built in), line "),
        "{problem}"
    );
}

#[test]
fn an_included_template_is_named_when_it_is_broken() {
    let shop = Shop::with(&[
        ("a.subject.txt", "a"),
        ("a.txt", "1\n2\n{% include \"b.txt\" %}"),
        ("de/b.txt", "1\n{{ nothing }}"),
        ("b.txt", "1\n2\n{% if %}"),
    ]);
    let problem = shop.problem("a", "de");
    assert!(
        problem.starts_with("the template de/b.txt, line 2: there is no nothing; `default('')`"),
        "{problem}"
    );
    let near = Shop::with(&[("a.subject.txt", "a"), ("a.txt", "{{ order.idd }}")]);
    let problem = near.problem("a", "");
    assert!(
        problem.contains("order has no idd; did you mean id?; `default('')`"),
        "{problem}"
    );
    let problem = shop.problem("a", "");
    assert!(
        problem.starts_with("the template b.txt, line 3: syntax error"),
        "{problem}"
    );
}

#[test]
fn names_lead_nowhere_else() {
    let shop = Shop::with(&[
        ("secret.txt", "secret"),
        ("a.subject.txt", "a"),
        ("a.txt", "a"),
    ]);
    for name in [
        "",
        "A",
        "1a",
        "../a",
        "a/b",
        "a.b",
        "a\0",
        "\u{e4}",
        "/etc/passwd",
        "a-b",
    ] {
        let refused = shop.render(name, "");
        assert!(matches!(refused, Err(TemplateError::Name { .. })), "{name}");
    }
    for store_view in ["..", ".", "de/at", "/", "d e", "\0"] {
        let refused = shop.render("a", store_view);
        assert!(
            matches!(refused, Err(TemplateError::StoreView { .. })),
            "{store_view}"
        );
    }
    for include in [
        "../secret.txt",
        "/etc/passwd",
        "de/secret.txt",
        "secret",
        "secret.md",
        ".txt",
    ] {
        let source = format!("{{% include \"{include}\" %}}");
        let inner = Shop::with(&[("a.subject.txt", "a"), ("a.txt", &source)]);
        fs::write(inner.0.path().join("secret"), "secret").unwrap();
        let problem = inner.problem("a", "");
        assert!(
            problem.contains("template not found"),
            "{include}: {problem}"
        );
    }
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let shop = Shop::with(&[
        ("a.subject.txt", "{{ comment }}"),
        ("a.txt", "{{ comment }}"),
        ("a.html", "{{ comment }}"),
        ("b.subject.txt", "b"),
        (
            "b.html",
            "<a title=\"{{ '/\"\\'' }}\">{{ comment|safe }}{{ comment|e }}{{ comment|lines|join }}</a>",
        ),
    ]);
    let html = shop.render("b", "").unwrap().html.unwrap();
    assert!(
        html.starts_with("<a title=\"/&quot;&#x27;\"><i>a</i> & b&lt;i&gt;"),
        "{html}"
    );
    assert_eq!(html.matches("<i>").count(), 1, "{html}");
    let rendered = shop.render("a", "").unwrap();
    assert_eq!(rendered.subject, "<i>a</i> & b");
    assert_eq!(rendered.text.as_deref(), Some("<i>a</i> & b"));
    assert_eq!(
        rendered.html.as_deref(),
        Some("&lt;i&gt;a&lt;/i&gt; &amp; b")
    );
}

#[test]
fn what_is_not_there_may_be_asked_for_but_not_printed() {
    let shop = Shop::with(&[
        ("a.subject.txt", "a"),
        ("a.txt", "{% if order.gift %}gift{% else %}none{% endif %}"),
        ("b.subject.txt", "b"),
        ("b.txt", "{{ order.gift }}"),
    ]);
    assert_eq!(shop.render("a", "").unwrap().text.as_deref(), Some("none"));
    assert!(
        shop.problem("b", "")
            .contains("b.txt, line 1: order has no gift; `default('')` gives a text")
    );
}

#[test]
fn a_subject_is_one_line_of_255_characters() {
    let long = format!("a\r\n\tb\u{2028}c {}", "\u{e4}".repeat(300));
    let shop = Shop::with(&[("a.subject.txt", &long), ("a.txt", "a")]);
    let subject = shop.render("a", "").unwrap().subject;
    assert!(subject.starts_with("a b c \u{e4}"), "{subject}");
    assert_eq!(subject.chars().count(), SUBJECT_CHARS_MAX);
    let shop = Shop::with(&[("a.subject.txt", " \n"), ("a.txt", "a")]);
    assert_eq!(shop.problem("a", ""), "the template `a` has no subject");
}

#[test]
fn a_part_of_white_space_is_none() {
    let shop = Shop::with(&[
        ("a.subject.txt", "a"),
        ("a.txt", "a"),
        ("a.html", " {# the shop wants no html #}\n"),
        ("b.subject.txt", "b"),
        ("b.txt", "\n"),
    ]);
    assert!(shop.render("a", "").unwrap().html.is_none());
    assert!(
        shop.problem("b", "")
            .contains("neither a text nor an html part")
    );
    assert_eq!(
        shop.problem("new_ordr", ""),
        "there is no template new_ordr; there are new_order, a, b, new_order_guest, order_update, order_update_guest"
    );
}

/// A loop over all lines, nested.
fn every(depth: usize, inner: &str) -> String {
    let start = "{% for line in order.lines %}".repeat(depth);
    format!("{start}{inner}{}", "{% endfor %}".repeat(depth))
}

/// A text of so many bytes, in lines that a template may have.
fn text_of(bytes: usize) -> String {
    let mut text = format!("{}\n", "x".repeat(999)).repeat(bytes / 1_000);
    text.push_str(&"x".repeat(bytes % 1_000));
    text
}

#[test]
fn templates_are_bounded() {
    let wide = every(1, &"x".repeat(1000));
    let just = text_of(PART_BYTES_MAX);
    let huge = text_of(PART_BYTES_MAX + 1);
    let shop = Shop::with(&[
        ("a.subject.txt", "a"),
        ("a.txt", &every(3, "")),
        ("b.subject.txt", "b"),
        ("b.txt", &wide),
        ("c.subject.txt", "c"),
        ("c.txt", "{% include \"c.txt\" %}"),
        ("d.subject.txt", "d"),
        ("d.txt", &huge),
        ("e.subject.txt", "e"),
        ("e.txt", &just),
        ("f.subject.txt", "f"),
        ("f.txt", &every(2, "{% include \"empty.txt\" %}")),
        ("empty.txt", ""),
        ("g.subject.txt", "g"),
        (
            "g.txt",
            &every(2, "{% set x = comment | upper | lines | join %}"),
        ),
    ]);
    for (name, problem) in [
        ("a", "a.txt, line 1: it takes more than 100000 instructions"),
        ("c", "recursion limit"),
        ("f", "f.txt, line 1: it takes more than 100000 instructions"),
        (
            "g",
            "g.txt, line 1: its filters handle more than 262144 bytes",
        ),
    ] {
        let said = shop.problem(name, "");
        assert!(said.contains(problem), "{said}");
    }
    let too_large = "the template b.txt is larger, or renders to more, than 262144 bytes";
    assert_eq!(shop.problem("b", ""), too_large);
    assert_eq!(shop.problem("d", ""), too_large.replace("b.txt", "d.txt"));
    let text = shop.render("e", "").unwrap().text;
    assert_eq!(text.unwrap().len(), PART_BYTES_MAX);
}

#[test]
fn what_multiplies_is_refused_before_it_is_compiled() {
    for (source, problem) in [
        ("1\n{{ 'x' * 99000000 }}", "line 2: it multiplies with *"),
        (
            "{{ 'x'|replace('x', 'y') }}",
            "line 1: it uses the filter replace; there are upper",
        ),
        ("{{ range(9) }}", "line 1: it calls range()"),
        (
            "{% macro m() %}{% endmacro %}",
            "line 1: it uses the tag macro",
        ),
        (
            "{% import \"b.txt\" as b %}",
            "line 1: it uses the tag import",
        ),
        (
            "{% set x %}{% endset %}",
            "line 1: it uses the tag set with a body",
        ),
        (
            "{% include order.id %}",
            "line 1: it names a file by a value",
        ),
        (
            "{% include [\"b.txt\"] %}",
            "line 1: it names a file by a value",
        ),
        (
            "{% if 1 %}{% extends \"b.txt\" %}{% endif %}",
            "line 1: it extends another file",
        ),
        (
            "{% block a %}{{ super()|upper }}{% endblock %}",
            "line 1: it uses super()",
        ),
        ("{{ super() }}", "line 1: it uses super()"),
        (
            "{% block a %}{{ self.a() }}{% endblock %}",
            "line 1: it calls a()",
        ),
    ] {
        // The file itself, one that it includes, and one that it extends.
        for outer in ["{% include \"b.txt\" %}", "{% extends \"b.txt\" %}", source] {
            let shop = Shop::with(&[("a.subject.txt", "a"), ("a.txt", outer), ("b.txt", source)]);
            let said = shop.problem("a", "");
            assert!(said.contains(problem), "{source}: {said}");
        }
    }
}

#[test]
fn the_files_of_a_mail_are_bounded_together() {
    let large = text_of(PART_BYTES_MAX);
    let many = "{{ order.id }}".repeat(1_500);
    let names = ["b", "c", "d", "e", "f"].map(|name| format!("{name}.txt"));
    let included = names
        .iter()
        .map(|name| format!("{{% if order.gift %}}{{% include \"{name}\" %}}{{% endif %}}"));
    let included = included.collect::<Vec<_>>().concat();
    for source in [&large, &many] {
        let mut files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), source.as_str()))
            .collect();
        files.extend([("a.subject.txt", "a"), ("a.txt", included.as_str())]);
        // Files that no tag asks for cost nothing.
        assert!(
            Shop::with(&files)
                .problem("a", "")
                .contains("neither a text")
        );
        let asked = included.replace("order.gift", "order.id");
        files.push(("a.txt", asked.as_str()));
        let said = Shop::with(&files).problem("a", "");
        let all = source == &many;
        assert_eq!(
            said.contains("the files of this mail have more than"),
            all,
            "{said}"
        );
        assert_eq!(said.contains("renders to more"), !all, "{said}");
    }
}

#[test]
fn blocks_and_files_are_nested_as_deep_as_the_engine_allows() {
    // As deep as the engine goes, on a stack as small as those of blocking threads.
    let chain = |of: usize| {
        let mut files = vec![
            ("a.subject.txt".to_owned(), "a".to_owned()),
            ("a.txt".to_owned(), "{% include \"i0.txt\" %}".to_owned()),
        ];
        files.extend((0..of).map(|n| {
            let inner = format!("{{% include \"i{}.txt\" %}}", n + 1);
            let nested = format!(
                "{}{inner}{}",
                "{% if 1 %}".repeat(30),
                "{% endif %}".repeat(30)
            );
            (format!("i{n}.txt"), nested)
        }));
        files.push((format!("i{of}.txt"), "end".to_owned()));
        files
    };
    let blocks = |of: usize| {
        let mut files = vec![
            ("a.subject.txt".to_owned(), "a".to_owned()),
            ("a.txt".to_owned(), "{% extends \"i0.txt\" %}".to_owned()),
        ];
        let block = "{% block p %}{{ super() }}{% endblock %}";
        files.extend((0..of).map(|n| {
            let outer = format!("{{% extends \"i{}.txt\" %}}", n + 1);
            (format!("i{n}.txt"), outer + block)
        }));
        let last = "{% block p %}end{% endblock %}".to_owned();
        files.push((format!("i{of}.txt"), last));
        files
    };
    for (files, is_rendered) in [
        (chain(8), true),
        (chain(20), false),
        (blocks(90), true),
        (blocks(200), false),
    ] {
        let files: Vec<_> = files
            .iter()
            .map(|(f, s)| (f.as_str(), s.as_str()))
            .collect();
        let shop = Shop::with(&files);
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let rendered = thread.spawn(move || shop.render("a", "").map(|mail| mail.text));
        let rendered = rendered.unwrap().join().unwrap();
        assert_eq!(rendered.is_ok(), is_rendered, "{rendered:?}");
        if let Err(error) = rendered {
            assert!(error.to_string().contains("recursion limit"), "{error}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let shop = Shop::with(&[("a.subject.txt", "a"), ("a.txt/x", "a folder")]);
    assert_eq!(shop.problem("a", ""), "the template a.txt cannot be read");
    let shop = Shop::with(&[("a.subject.txt", "a")]);
    fs::write(shop.0.path().join("a.txt"), b"\xff\xfe").unwrap();
    assert_eq!(shop.problem("a", ""), "the template a.txt cannot be read");
}

#[test]
fn every_embedded_file_is_one_that_can_be_found() {
    let search = Search::new(None, "").unwrap();
    for (file, _) in EMBEDDED {
        assert!(search.find(file).unwrap().is_some(), "{file}");
    }
    let nothing = context! {};
    let unknown = Templates::embedded().render("a", "", &nothing);
    assert!(matches!(unknown, Err(TemplateError::Missing { .. })));
}

/// Who opens a pipe waits for somebody to write to it.
#[test]
fn what_is_no_file_is_not_opened() {
    let shop = Shop::with(&[
        ("a.txt", "text"),
        ("b.subject.txt/c", ""),
        ("b.txt", "text"),
    ]);
    let pipe = shop.0.path().join("a.subject.txt");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    for name in ["a", "b"] {
        let refused = shop.render(name, "");
        assert!(
            matches!(&refused, Err(TemplateError::Unreadable { .. })),
            "{refused:?}"
        );
    }
}
