// node unicode_tables.mjs >models/tokenize/unicode_tables.c: what tokenizers needs of Unicode's versions, from the
// Unicode Character Database as npm's @unicode packages have it. Run it where these are installed:
//   npm install @unicode/unicode-{8.0.0,9.0.0,14.0.0,16.0.0,17.0.0}
// The tokenizers library (0.22) takes properties from crates of different ages: unicode_categories (8.0),
// unicode-normalization-alignments (9.0), Oniguruma (16.0), regex (16.0), Rust's own characters (17.0). utf8proc and PCRE2
// of Debian 12 are of version 14.0.
const categories = {
    Lu: 'Uppercase_Letter', Ll: 'Lowercase_Letter', Lt: 'Titlecase_Letter', Lm: 'Modifier_Letter', Lo: 'Other_Letter',
    Mn: 'Nonspacing_Mark', Mc: 'Spacing_Mark', Me: 'Enclosing_Mark', Nd: 'Decimal_Number', Nl: 'Letter_Number',
    No: 'Other_Number', Pc: 'Connector_Punctuation', Pd: 'Dash_Punctuation', Ps: 'Open_Punctuation',
    Pe: 'Close_Punctuation', Pi: 'Initial_Punctuation', Pf: 'Final_Punctuation', Po: 'Other_Punctuation',
    Sm: 'Math_Symbol', Sc: 'Currency_Symbol', Sk: 'Modifier_Symbol', So: 'Other_Symbol', Cc: 'Control', Cf: 'Format',
    Co: 'Private_Use', Zs: 'Space_Separator', Zl: 'Line_Separator', Zp: 'Paragraph_Separator'};
const load = async (version, what) => (await import(`@unicode/unicode-${version}.0.0/${what}/code-points.mjs`)).default;
const property = async (version, what) => new Set(await load(version, what));
const category = (version, short) => property(version, `General_Category/${categories[short]}`);
const union = (...sets) => new Set(sets.flatMap(s => [...s]));
const group = async (version, letters) =>
    union(...await Promise.all(letters.map(short => category(version, short))));
const minus = (a, b) => new Set([...a].filter(code => !b.has(code)));
const assigned = version => group(version, Object.keys(categories));
const starting = letter => Object.keys(categories).filter(short => short[0] === letter);

function ranges(set) {
    const out = [];
    for (const code of [...set].sort((a, b) => a - b))
        if (out.length && out.at(-1)[1] === code - 1) out.at(-1)[1] = code;
        else out.push([code, code]);
    return out;
}

const hex = code => '0x' + code.toString(16).toUpperCase();

function lay(items) {
    let line = '   ', text = '';
    for (const item of items) {
        if (line.length + item.length + 2 > 120) {
            text += line + '\n';
            line = '   ';
        }
        line += ' ' + item + ',';
    }
    return text + line.slice(0, -1);
}

const table = (name, comment, set) =>
    `\n/* ${comment} */\nstatic const range ${name}[] = {\n` +
    lay(ranges(set).map(([a, b]) => `{${hex(a)}, ${hex(b)}}`)) + '};\n';

const old = await assigned(14), recent = await assigned(16), age9 = await assigned(9);
const added = [];
for (const short of Object.keys(categories))
    for (const [a, b] of ranges(minus(await category(16, short), old))) added.push({a, b, short});
added.sort((x, y) => x.a - y.a);

const lower14 = await load(14, 'Simple_Case_Mapping/Lowercase'), lower17 = await load(17, 'Simple_Case_Mapping/Lowercase');
const pairs = [...lower17].filter(([code]) => !lower14.has(code)).sort((x, y) => x[0] - y[0]);
const lower = [];
for (const [code, to] of pairs) {
    const last = lower.at(-1);
    if (last && last.b === code - 1 && last.delta === to - code) last.b = code;
    else lower.push({a: code, b: code, delta: to - code});
}

const apart = new Set();
for (let code = 0; code < 0x110000; code++)
    if ((code < 0xD800 || code > 0xDFFF) && !age9.has(code)) {
        const text = String.fromCodePoint(code);
        if (text.normalize('NFKD') !== text) apart.add(code);
    }
const word = version => Promise.all([property(version, 'Binary_Property/Alphabetic'), group(version, starting('M')),
    category(version, 'Nd'), category(version, 'Pc'), property(version, 'Binary_Property/Join_Control')])
    .then(sets => union(...sets));

process.stdout.write(`/* Made by experiments/unicode_tables.mjs. Each table says which version of Unicode it is of. */
#include "models/tokenize/unicode_tables.h"

typedef tf_code_range range;
` +
    table('marks', 'Mn in 8.0.', await category(8, 'Mn')) +
    table('punctuation', 'P* in 8.0.', await group(8, starting('P'))) +
    table('others', 'Cc, Cf and Co in 8.0.', await group(8, ['Cc', 'Cf', 'Co'])) +
    table('combining', 'M* in 9.0.', await group(9, starting('M'))) +
    table('undecomposed', 'What decomposes today and was not there in 9.0.', apart) +
    table('words', 'Alphabetic, M*, Nd, Pc and Join_Control in 16.0.', await word(16)) +
    table('numbers', 'N* in 17.0.', await group(17, starting('N'))) +
    table('ideographs', 'Script Han in 16.0, of what was not there in 14.0.', minus(await property(16, 'Script/Han'), old)) +
    `\n/* What 17.0 has lower case for and 14.0 has not. */\nstatic const tf_code_shift lowercase[] = {\n` +
    lay(lower.map(({a, b, delta}) => `{${hex(a)}, ${hex(b)}, ${delta}}`)) + '};\n' +
    `\n/* The categories of what is in 16.0 and was not in 14.0. */\nstatic const tf_code_category newer[] = {\n` +
    lay(added.map(({a, b, short}) => `{${hex(a)}, ${hex(b)}, "${short}"}`)) + '};\n' + `
#define TABLE(name) {name, sizeof name / sizeof *name}
const tf_code_table tf_marks_8 = TABLE(marks), tf_punctuation_8 = TABLE(punctuation), tf_others_8 = TABLE(others),
                    tf_combining_9 = TABLE(combining), tf_undecomposed_9 = TABLE(undecomposed), tf_words_16 = TABLE(words),
                    tf_numbers_17 = TABLE(numbers), tf_newer_ideographs = TABLE(ideographs);
const tf_code_shift *const tf_newer_lowercase = lowercase;
const size_t tf_newer_lowercases = sizeof lowercase / sizeof *lowercase;
const tf_code_category *const tf_newer_categories = newer;
const size_t tf_newer_category_count = sizeof newer / sizeof *newer;
`);
