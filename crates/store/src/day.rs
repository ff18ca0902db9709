//! Which file of which day: names of files, and their order.

const DAY_MS: i64 = 86_400_000;

/// Days that a four-digit year can name, counted from 1970-01-01.
const DAYS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

/// Files that one day can have. It has one, and another for each time that a session of it was erased while it was the
/// newest. A file's place in the order is its day times this, and which of its day's it is.
pub(crate) const FILES_A_DAY: i64 = 1_000;

/// The day that a file of the store belongs to, by its name.
pub(crate) fn day_in(name: &str) -> Option<i64> {
    let rest = name.strip_prefix("events-").or_else(|| name.strip_prefix("index-"))?;
    rest.split_once('.').and_then(|(day, _)| parse_date(day))
}

/// The place of the first file of a moment's UTC day.
pub(crate) fn day_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(DAY_MS).clamp(*DAYS.start(), *DAYS.end()) * FILES_A_DAY
}

/// `2026-11-20` for the first file of a day, `2026-11-20-2` for its second. After Howard Hinnant's `civil_from_days`.
pub(crate) fn date(place: i64) -> String {
    let (day, number) = (place.div_euclid(FILES_A_DAY), place.rem_euclid(FILES_A_DAY) + 1);
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let number = if number > 1 { format!("-{number}") } else { String::new() };
    format!("{year:04}-{month:02}-{day_of_month:02}{number}")
}

/// The place of `2026-11-20`; `None` for anything that [`date`] would not write.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
    let (year, month, day_of_month, file) = (number()?, number()?, number()?, number().unwrap_or(1));
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day_of_month - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let day = era * 146_097 + of_era - 719_468;
    let place = day.checked_mul(FILES_A_DAY)?.checked_add(file - 1)?;
    (DAYS.contains(&day) && date(place) == text).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_by_its_date_and_found_by_its_name() {
        assert_eq!(date(day_of(0)), "1970-01-01");
        assert_eq!(date(day_of(1_795_185_067_950)), "2026-11-20");
        assert_eq!(date(day_of(-1)), "1969-12-31");
        for day in (*DAYS.start()..*DAYS.end()).step_by(97) {
            for place in [day * FILES_A_DAY, day * FILES_A_DAY + 1, day * FILES_A_DAY + 999] {
                assert_eq!(parse_date(&date(place)), Some(place), "{}", date(place));
            }
        }
        assert_eq!(date(day_of(1_795_185_067_950) + 1), "2026-11-20-2");
        for text in ["2026-11-20-1", "2026-11-20-0", "2026-11-20-1001", "2026-11-20-2-3", "99999999999999999-01-01"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(parse_date("2026-13-01"), None);
        assert_eq!(parse_date("2026-02-30"), None);
        assert_eq!(parse_date("backup"), None);
    }
}
