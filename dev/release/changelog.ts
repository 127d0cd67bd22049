// CHANGELOG.md: a section for each version, with what an upgrade to it asks of an operator.

/**
 * The section of a version: `## 0.2.0 (2026-11-28)` and what follows it; null when there is none.
 */
function sectionOf(changelog: string, version: string): string | null {
  const sections = changelog.split(/^(?=## )/m);
  const heading = new RegExp(`^## ${version.replaceAll(".", "\\.")} \\(\\d{4}-\\d{2}-\\d{2}\\)$`);
  return sections.find((section) => heading.test(section.split("\n")[0] ?? "")) ?? null;
}

/** What the section of a version lacks, a sentence each. */
export function changelogFaults(changelog: string, version: string): string[] {
  const section = sectionOf(changelog, version);
  if (section === null)
    return [
      `CHANGELOG.md has no section "## ${version} (<year>-<month>-<day>)": rename "## Unreleased" to it.`,
    ];
  const upgrading = section.split(/^(?=### )/m).find((part) => part.startsWith("### Upgrading\n"));
  if (!upgrading)
    return [
      `CHANGELOG.md says nothing under "### Upgrading" in ${version}: what must be done, and whether one can go back.`,
    ];
  const words = upgrading.split("\n").slice(1).join(" ").trim();
  const faults =
    words.length < 20
      ? [`"### Upgrading" of ${version} is empty: "Nothing to do." would be a sentence too.`]
      : [];
  return /\bback\b/i.test(words)
    ? faults
    : [
        ...faults,
        `"### Upgrading" of ${version} does not say whether one can go back, and to which version.`,
      ];
}
