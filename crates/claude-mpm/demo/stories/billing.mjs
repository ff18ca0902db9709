// billing: three subagents research tax rounding at the same time, in the code, in the web and in old invoices.
import { agent, bash, grep, read, taskCreate, taskUpdate, webFetch } from '../calls.mjs';

const ROUNDING = `//! Rounds amounts of money.

/// Half up, as the invoices of before 2024 were rounded.
pub fn half_up(cents: f64) -> i64 {
    (cents + 0.5).floor() as i64
}

/// Half to even, as the payment provider rounds.
pub fn half_even(cents: f64) -> i64 {
    let floor = cents.floor();
    match (cents - floor).partial_cmp(&0.5) {
        Some(std::cmp::Ordering::Equal) => floor as i64 + (floor as i64 & 1),
        _ => cents.round() as i64,
    }
}
`;

const TOTAL = `pub fn invoice_total(lines: &[Line], rate: TaxRate) -> Cents {
    let net: Cents = lines.iter().map(Line::net).sum();
    let tax = rounding::half_up(net.as_f64() * rate.fraction());
    net + Cents(tax)
}
`;

export function billing(recording) {
  const s = recording.session({ id: '2ab77f10', project: 'billing', at_ms: 3_100, pace_ms: 1_900, mode: 'plan' });
  s.file('crates/tax/src/rounding.rs', ROUNDING);
  s.file('crates/invoice/src/total.rs', TOTAL);
  s.file('crates/tax/src/rates.rs', 'pub const RATES: &[(Country, TaxRate)] = &[\n    (Country::At, TaxRate::percent(20)),\n    (Country::De, TaxRate::percent(19)),\n    (Country::Fr, TaxRate::percent(20)),\n    (Country::Lu, TaxRate::percent(17)),\n];\n');
  s.file('crates/provider/src/client.rs', 'impl Client {\n    pub async fn finalize(&self, invoice: &Invoice) -> Result<Finalized, ProviderError> {\n        self.post("/invoices/finalize", invoice).await\n    }\n}\n');
  s.file('docs/rounding.md', '# Rounding\n\nTax is rounded once for an invoice, never for a line. Which way it is rounded is not written down anywhere.\n');
  const pm = s.main;
  s.start();
  pm.prompt('Our totals differ from the payment provider by a cent now and then. Find out which rounding rule each side uses. Change nothing yet.');
  pm.does(
    taskCreate(s, 'Compare tax rounding rules', 'Ours, the provider, the law', 'Comparing tax rounding rules'),
    taskCreate(s, 'Read what the provider returns', 'Documentation and two recorded answers', 'Reading the provider'),
    taskCreate(s, 'Propose one rounding rule', 'One page, with the invoices it changes', 'Proposing a rule'),
    taskCreate(s, 'Ask before changing totals', 'Finance decides', 'Asking finance'),
    taskCreate(s, 'List the invoices affected', 'Since January', 'Listing invoices'),
  );
  pm.does(taskUpdate(s, '1', 'in_progress'));
  pm.does(
    agent('research', 'How our code rounds', 'Find every place that rounds money in crates/. Name the rule of each.', (one) => inTheCode(s, one), 'claude-haiku-5-5'),
    agent('research', 'How the provider rounds', 'Read the documentation of the payment provider about tax rounding. Quote the sentences that matter.', (two) => inTheWeb(two), 'claude-haiku-5-5'),
    agent('research', 'Compare tax rounding rules', 'Compare recorded invoices with our totals. Count the differences by country.', (three) => inTheInvoices(s, three), 'claude-haiku-5-5'),
  );
  pm.does(taskUpdate(s, '1', 'completed'), taskUpdate(s, '5', 'in_progress'));
  pm.does(
    agent('research', 'List the invoices affected', 'List every invoice since January whose total changes under half to even, month by month. Give counts and sums.', (one) => byMonth(s, one), 'claude-haiku-5-5'),
    agent('research', 'Check the refunds', 'Do refunds follow the rounding of their invoice? Look at one of each kind.', (two) => refunds(s, two), 'claude-haiku-5-5'),
  );
}

function inTheCode(s, one) {
  one.does(grep(s, 'invoice_total', 'crates', ['crates/invoice/src/total.rs:1:pub fn invoice_total(lines: &[Line], rate: TaxRate) -> Cents {', 'crates/invoice/src/pdf.rs:88:    let total = invoice_total(&lines, rate);', 'crates/api/src/preview.rs:23:        total: invoice_total(&lines, rate),']), grep(s, 'half_(up|even)', 'crates', ['crates/tax/src/rounding.rs:4:pub fn half_up(cents: f64) -> i64 {', 'crates/tax/src/rounding.rs:9:pub fn half_even(cents: f64) -> i64 {', 'crates/invoice/src/total.rs:3:    let tax = rounding::half_up(net.as_f64() * rate.fraction());']));
  one.does(read(s, 'crates/tax/src/rounding.rs'), read(s, 'crates/invoice/src/total.rs'));
  for (const crate of ['invoice', 'api', 'provider', 'ledger', 'export', 'refund', 'report']) {
    one.does(grep(s, '\\.round\\(|floor\\(|ceil\\(', `crates/${crate}`, crate === 'refund' ? ['crates/refund/src/partial.rs:37:    let share = (amount.as_f64() * part).round() as i64;'] : []));
    one.does(bash(`git log --oneline -3 -- crates/${crate}`, `Last changes of ${crate}`, { took: 620, out: `${s.ids.uuid().slice(0, 7)} ${crate}: amounts as Cents\n${s.ids.uuid().slice(0, 7)} ${crate}: edition 2024` }));
  }
  one.does(read(s, 'docs/rounding.md'));
  return 'Invoices round half up (total.rs:3), refunds round half away from zero (partial.rs:37). half_even is written and never called.';
}

function inTheWeb(two) {
  const pages = [
    ['invoices', 'Amounts of tax are computed for each line and rounded half to even. The invoice adds the rounded lines.', 1_420, 84_210],
    ['tax-rates', 'A rate has at most four decimals. Inclusive rates are taken out of the price before rounding.', 1_080, 41_900],
    ['credit-notes', 'A credit note repeats the rounding of the invoice that it belongs to.', 1_630, 38_112],
    ['changelog/2024-03', 'From March 2024 on, rounding is half to even for new accounts; older accounts keep half up until they switch.', 2_240, 120_455],
    ['accounts/settings', 'The setting is called tax_rounding and is visible in the dashboard only.', 1_310, 52_008],
    ['webhooks', 'invoice.finalized carries total, total_excluding_tax and one entry for each tax.', 990, 61_733],
  ];
  for (const [page, result, took, bytes] of pages) {
    two.does(webFetch(`https://docs.payline.example/api/${page}`, 'What does this page say about the rounding of tax? Quote it.', result, { took: took * 3, bytes }));
  }
  return 'The provider rounds each line half to even, accounts from before March 2024 half up until they switch (setting tax_rounding). We round once for the invoice.';
}

function inTheInvoices(s, three) {
  three.does(read(s, 'crates/tax/src/rates.rs'), grep(s, 'TaxRate', 'crates', ['crates/tax/src/rates.rs:1:pub const RATES: &[(Country, TaxRate)] = &[', 'crates/invoice/src/total.rs:1:pub fn invoice_total(lines: &[Line], rate: TaxRate) -> Cents {']), read(s, 'crates/provider/src/client.rs'));
  for (const [country, invoices, different] of [['de', 4_120, 31], ['at', 1_204, 12], ['fr', 2_377, 18], ['lu', 160, 0], ['nl', 988, 9], ['it', 1_733, 22], ['es', 1_402, 14], ['be', 655, 5]]) {
    three.does(bash(`sqlite3 -readonly archive.db "select count(*), sum(ours != theirs) from totals where country = '${country}'"`, `Count differences in ${country}`, { took: 1_350 + 6 * different, out: `${invoices}|${different}` }));
    three.does(bash(`sqlite3 -readonly archive.db "select id, ours, theirs from totals where country = '${country}' and ours != theirs limit 3"`, `Look at three of ${country}`, { took: 1_900, out: different ? `${country}-10442|10.49|10.50\n${country}-10518|7.02|7.01\n${country}-10960|99.99|100.00` : '' }));
  }
  return '111 of 12,639 invoices differ, always by one cent; none in Luxembourg.';
}

function byMonth(s, one) {
  for (const [month, invoices, cents] of [['01', 14, 6], ['02', 9, -3], ['03', 17, 5], ['04', 11, 1], ['05', 12, -2], ['06', 8, 4], ['07', 13, 3], ['08', 6, 0], ['09', 10, 2], ['10', 11, -1]]) {
    one.does(bash(`sqlite3 -readonly archive.db "select count(*), sum(theirs - ours) from totals where month = '2026-${month}' and ours != theirs"`, `Invoices of month ${month}`, { took: 880 + 20 * invoices, out: `${invoices}|${cents}` }), grep(s, `2026-${month}`, 'docs/closings', [`docs/closings/2026-${month}.md:1:# Closed on the third working day`]));
  }
  return '111 invoices since January, 15 cents in all. Every month is closed already.';
}

function refunds(s, two) {
  two.does(read(s, 'crates/provider/src/client.rs'), read(s, 'crates/tax/src/rounding.rs'));
  for (const kind of ['full', 'partial', 'voucher', 'chargeback', 'goodwill']) {
    two.does(bash(`cargo run -q --example refund -- --kind ${kind} --amount 10.49`, `Compute a ${kind} refund`, { took: 2_600, out: kind === 'partial' ? 'ours 5.25, theirs 5.24' : 'ours and theirs agree' }));
  }
  return 'Only partial refunds differ: ours round away from zero.';
}
