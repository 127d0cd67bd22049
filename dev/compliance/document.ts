// docs/compliance.md, made from requirements.json and map.json.
import type { Answer, Chapter, Requirement, Way } from "./compliance.ts";

const HEAD = `# Compliance

What MedVault does about each technical safeguard of HIPAA (45 CFR 164.312) and each requirement of OWASP ASVS 5.0 at
levels 1 and 2, and the test that shows it. Made from \`dev/compliance/map.json\` (\`npm test -- dev/generated -u\`); \`npm run check\`
fails on a requirement without an answer and on a test that is not there or may be skipped. The words are ours; the standards
themselves are at <https://www.ecfr.gov/current/title-45/section-164.312> and <https://github.com/OWASP/ASVS> (CC BY-SA 4.0).
An installation complies only if its operator does their part too: [hardening.md](hardening.md).

- **shown**: the tests named show it. **partly**: they show a part, and the note says what is missing.
- **review**: no test shows it; the files named do it, and somebody has read them for it.
- **operator**: the operator's duty, described on the page named. **open**: not met yet. **not applicable**: with the reason.
`;

const WAYS: Way[] = ["shown", "partly", "review", "operator", "open", "not applicable"];

/** @returns the whole page */
export function complianceDocument(chapters: Chapter[], answers: Answer[]): string {
  const byId = new Map(answers.map((answer) => [answer.id, answer]));
  const answerOf = ({ id }: Requirement): Answer => byId.get(id) ?? { id, way: "open", why: "not answered" };
  const counted = chapters.map((chapter) => {
    const ways = chapter.requirements.map((requirement) => answerOf(requirement).way);
    const counts = WAYS.map((way) => ways.filter((each) => each === way).length);
    return `| ${chapter.standard} ${chapter.title} | ${counts.map((count) => count || "").join(" | ")} |`;
  });
  const all = chapters.flatMap(({ requirements }) => requirements.map((each) => answerOf(each).way));
  const sums = WAYS.map((way) => all.filter((each) => each === way).length);
  const tables = chapters.map(({ standard, title, requirements }) => {
    const rows = requirements.map((requirement) => row(requirement, answerOf(requirement)));
    return `\n## ${standard} ${title}\n| id | | asks | | how |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  const head = `| | ${WAYS.join(" | ")} |\n|---|${"---|".repeat(WAYS.length)}`;
  return `${HEAD}\n${head}\n${counted.join("\n")}\n| all | ${sums.join(" | ")} |\n${tables.join("")}`;
}

function row({ id, level, title }: Requirement, answer: Answer): string {
  const issue = answer.issue ? `Issue ${answer.issue}.` : "";
  const files = (answer.files ?? []).map(link).join(", ");
  const tests = Object.entries(answer.tests ?? {}).map(
    ([file, titles]) => `${link(file)}: ${titles.map((words) => `*${plain(words)}*`).join("; ")}`,
  );
  const how = [answer.why ? plain(answer.why) : "", issue, files, tests.join(" · ")]
    .filter(Boolean)
    .join(" ");
  return `| ${id} | ${level} | ${plain(title)} | ${answer.way} | ${how} |`;
}

/** A file under its last two names: those alone would be ambiguous only where folders are named alike. */
const link = (file: string): string => `[${file.split("/").slice(-2).join("/")}](../${file})`;

/** Marks of Markdown are shown as they are, but for those within backticks. */
const plain = (words: string): string =>
  words
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(/[|*_<>]/g, (mark) => `\\${mark}`)))
    .join("");
