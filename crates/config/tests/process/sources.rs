//! What the environment and files say.

use hypermesh_testkit::{Case, ProcessGuard, SocketDir};

use crate::child::{Orders, Report, start};

pub(crate) const CASES: &[Case<()>] = &[
    ("the_environment_counts_over_the_file", env_and_file),
    ("all_bad_values_are_reported_at_once", bad_values),
    ("both_names_of_a_variable_work_and_one_counts", two_names),
    (
        "a_file_with_mistakes_is_read_as_far_as_it_is_right",
        bad_file,
    ),
    ("a_later_file_counts_over_an_earlier_one", two_files),
];

fn run(env: &[(&str, &str)], file: &str, guard: &ProcessGuard) -> Report {
    let place = SocketDir::new();
    let path = place.join("settings.toml");
    std::fs::write(&path, file).unwrap();
    let env = env
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let orders = Orders {
        env: env.collect(),
        file: Some(path),
        ..Orders::default()
    };
    start(&orders, guard)
}

fn env_and_file(_: &(), guard: &ProcessGuard) {
    let report = run(
        &[("HYPERMESH_TEST_SPAN", "250ms")],
        "span = \"4s\"\ncount = 3\nswitch = true\n",
        guard,
    );
    report.check("span", "250ms", "env");
    report.check("count", "3", "file");
    report.check("switch", "true", "file");
    report.check("desk", "none", "default");
    assert_eq!(report.file_error, None);
    assert_eq!(report.warnings, Vec::<String>::new());
}

fn bad_values(_: &(), guard: &ProcessGuard) {
    let env = [
        ("HYPERMESH_TEST_SPAN", "10"),
        ("OTHER_TEST_COUNT", "100"),
        ("HYPERMESH_TEST_SWITCH", "yes"),
    ];
    let report = run(&env, "span = \"4s\"\n", guard);
    assert_eq!(
        report.errors,
        [
            "setting count: environment variable OTHER_TEST_COUNT says \"100\", expected a whole \
             number, not negative, below 100",
            "setting span: environment variable HYPERMESH_TEST_SPAN says \"10\", expected a duration \
             like `10s`, `1.5s`, `250ms`, `5m` or `1h`",
            "setting switch: environment variable HYPERMESH_TEST_SWITCH says \"yes\", expected one of \
             `0`, `1`, `true` and `false`",
        ]
    );
    // Each is told once in the log as well, and the next source counts.
    let warnings: Vec<String> = report
        .errors
        .iter()
        .map(|error| format!("{error}: not used"))
        .collect();
    let mut logged = report.warnings.clone();
    logged.sort();
    assert_eq!(logged, warnings);
    report.check("span", "4s", "file");
    report.check("count", "1", "default");
}

fn two_names(_: &(), guard: &ProcessGuard) {
    let report = run(&[("OTHER_TEST_COUNT", "2")], "", guard);
    report.check("count", "2", "env");
    assert_eq!(report.warnings, Vec::<String>::new());
    let both = [("OTHER_TEST_COUNT", "2"), ("HYPERMESH_TEST_COUNT", "3")];
    let report = run(&both, "", guard);
    report.check("count", "3", "env");
    assert_eq!(
        report.warnings,
        ["setting count: OTHER_TEST_COUNT is not used because HYPERMESH_TEST_COUNT is set too"]
    );
}

fn bad_file(_: &(), guard: &ProcessGuard) {
    let report = run(&[], "span = 4\ncout = 3\nswitch = true\n", guard);
    report.check("switch", "true", "file");
    report.check("span", "1s", "default");
    let error = report.file_error.unwrap();
    assert!(
        error.contains("setting span: file ") && error.contains("says \"4\", expected a duration"),
        "{error}"
    );
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    let expected = "there is no setting \"cout\", did you mean \"count\"?";
    assert!(
        report.warnings[0].ends_with(expected),
        "{:?}",
        report.warnings
    );
}

fn two_files(_: &(), _: &ProcessGuard) {
    let place = SocketDir::new();
    let [first, second] = ["first.toml", "second.toml"].map(|name| place.join(name));
    std::fs::write(&first, "span = \"4s\"\ncount = 3\n").unwrap();
    std::fs::write(&second, "span = \"5s\"\n").unwrap();
    hypermesh_config::load_file(&first).unwrap();
    hypermesh_config::load_file(&second).unwrap();
    let found = [crate::SPAN.get().as_secs(), crate::COUNT.get()];
    assert_eq!(found, [5, 3]);
}
