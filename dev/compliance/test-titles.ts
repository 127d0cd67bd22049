// Finds tests in the text of their file, without running it: what the formatter (biome) lays out has
// one form, so that no parser is needed. What it cannot read is not found, and so fails loudly.

/** A test as its file says it: the title of `test.each` with its placeholders. */
interface FoundTest {
  title: string;
  /** Why it may not run, in the words of its source; undefined when it always runs. */
  skipped: string | undefined;
}

const CALL = /^([ \t]*)(test|it|describe)((?:\.\w+)*)(?:<[^()]*>)?\(/gm;
/** Takes a table or a condition first; the title comes with the second call. */
const TWO_CALLS = /\.(?:each|for|skipIf|runIf)$/;
const LITERAL = /\s*("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/y;
const SECOND_CALL = /\)\(\s*("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)/g;
const SKIPPING = /\.(?:skip|todo|skipIf|runIf|fails)\b/;
/** What a test takes of its context to skip itself, or its option; of a `beforeEach`, all of the file. */
const SKIPS_INSIDE = /\(frame\)|\{ skip\b|\b(?:skip|todo): true/;
const SKIPS_ALL = /^beforeEach\(\(\{ skip \}/m;

/** @returns every test and describe of a test file, in its order */
export function testsIn(text: string): FoundTest[] {
  const calls = [...text.matchAll(CALL)];
  const around = [{ indent: -1, skipped: SKIPS_ALL.exec(text)?.[0] }];
  return calls.flatMap((call, at) => {
    const [whole, blank = "", kind = "", chain = ""] = call;
    while ((around.at(-1)?.indent ?? -1) >= blank.length) around.pop();
    const body = text.slice(call.index, calls[at + 1]?.index ?? text.length);
    const own = SKIPPING.exec(chain)?.[0] ?? (kind === "describe" ? undefined : SKIPS_INSIDE.exec(body)?.[0]);
    const skipped = own ?? around.at(-1)?.skipped;
    if (kind === "describe") around.push({ indent: blank.length, skipped });
    const title = titleAt(text, call.index + whole.length, chain);
    return title === undefined ? [] : [{ title, skipped }];
  });
}

function titleAt(text: string, from: number, chain: string): string | undefined {
  const literal = TWO_CALLS.test(chain) ? SECOND_CALL : LITERAL;
  literal.lastIndex = from;
  const quoted = literal.exec(text)?.[1];
  return quoted?.slice(1, -1).replace(/\\(["'`\\])/g, "$1");
}
