//! What is found wrong with all settings together.

use std::time::Duration;

use super::*;
use crate::{ByteSize, config};

config! {
    /// How long
    /// it takes.
    static SPAN: Duration = Duration::from_secs(1), env = "HYPERMESH_TEST_SPAN";
    static SIZE: ByteSize = ByteSize::mib(1), env = "HYPERMESH_TEST_SIZE", aka = "TEST_SIZE";
    static PASSWORD: String = "changeme".into(),
        env = "HYPERMESH_TEST_PASSWORD",
        secret = true,
        check = |password| 6 <= password.len(),
        expected = "of 6 letters or more";
    static SWITCH: bool = false, env = "HYPERMESH_TEST_SWITCH";
}

mod clashing {
    //! Settings that take the name or the variable of another. Not registered.
    use crate::declaration::Declaration;
    use crate::macro_support::{ByValue as _, Probe};
    use crate::setting::Setting;

    const fn plain(name: &'static str, env: &'static str) -> Declaration<u64> {
        Declaration::new(name, "", "other", || 0, || (&&Probe::<u64>::NEW).codec()).env(env)
    }

    pub(super) static SAME_NAME: Setting<u64> = Setting::new(plain("SPAN", "HYPERMESH_TEST_X"));
    pub(super) static SAME_ENV: Setting<u64> = Setting::new(plain("Y", "TEST_SIZE"));
}

fn all() -> [&'static dyn AnySetting; 3] {
    [&SPAN, &SIZE, &SWITCH]
}

#[test]
fn all_bad_values_are_reported_at_once() {
    let env = |name: &str| match name {
        "HYPERMESH_TEST_SPAN" => Some("10".into()),
        "TEST_SIZE" => Some("huge".into()),
        "HYPERMESH_TEST_SWITCH" => Some("1".into()),
        _ => None,
    };
    let errors = check_settings(all().into_iter(), &env).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "setting size: environment variable TEST_SIZE says \"huge\", expected a number of bytes \
             like `4096`, `64KiB`, `256MiB` or `1GB`",
            "setting span: environment variable HYPERMESH_TEST_SPAN says \"10\", expected a duration \
             like `10s`, `1.5s`, `250ms`, `5m` or `1h`",
        ]
    );
    assert_eq!(check_settings(all().into_iter(), &|_| None), Ok(()));
}

#[test]
fn a_shared_name_or_variable_is_an_error_that_names_both() {
    let mut settings = all().to_vec();
    settings.extend([&clashing::SAME_NAME as &dyn AnySetting, &clashing::SAME_ENV]);
    let errors = check_settings(settings.into_iter(), &|_| None).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "two settings are named span: one in hypermesh_config::catalog::tests, one in other",
            "settings hypermesh_config::catalog::tests::size and other::y both use environment \
             variable TEST_SIZE",
        ]
    );
}

#[test]
fn the_list_tells_all_about_a_setting() {
    let infos = list();
    assert!(infos.is_sorted_by(|a, b| a.name < b.name));
    let info = infos.iter().find(|info| info.name == "size").unwrap();
    let json = serde_json::to_value(info).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "name": "size",
            "doc": "",
            "env": "HYPERMESH_TEST_SIZE",
            "aka": "TEST_SIZE",
            "value": "1MiB",
            "default": "1MiB",
            "source": "default",
            "expected": "a number of bytes like `4096`, `64KiB`, `256MiB` or `1GB`",
            "local": false,
            "secret": false,
        })
    );
    let info = infos.iter().find(|info| info.name == "span").unwrap();
    assert_eq!(info.doc, "How long it takes.");
}

#[test]
fn nobody_is_shown_a_secret() {
    PASSWORD.set_runtime("sesame".into()).unwrap();
    let info = AnySetting::info(&PASSWORD);
    assert_eq!((&*info.value, &*info.default), ("***", "***"));
    assert!(info.secret && info.local);
    assert_eq!(info.source, Source::RunTime);
    let error = PASSWORD.set_runtime("short".into()).unwrap_err();
    let json = serde_json::to_string(&list()).unwrap();
    for text in [error.to_string(), format!("{error:?}"), json] {
        assert!(text.contains("***"), "{text}");
        assert!(
            !text.contains("short") && !text.contains("sesame"),
            "{text}"
        );
    }
    let snapshot = format!("{:?}", crate::snapshot());
    assert!(!snapshot.contains("sesame"), "{snapshot}");
    PASSWORD.clear_runtime();
}
