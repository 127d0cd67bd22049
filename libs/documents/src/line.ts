import type { Face } from "./face.ts";
import { bidi, LineBreaker } from "./packages.ts";
import type { Piece } from "./piece.ts";

/** A stretch of a line in one face and one direction, in the order of reading. */
interface Run {
  text: string;
  readonly face: Face;
  readonly level: number;
}

export interface Line {
  /** From left to right. */
  readonly runs: readonly Run[];
  /** Per unit of the size. */
  readonly width: number;
  readonly isRightToLeft: boolean;
  /** In the order of reading. */
  readonly text: string;
}

export const isRightToLeft = ({ level }: Pick<Run, "level">): boolean => level % 2 === 1;

/**
 * The pieces of a part in lines of at most `width` (per unit of the size): broken as Unicode says
 * (UAX 14; Thai, which has no spaces, between words), within a word only where it does not fit a
 * line; each line in the order in which it is seen (UAX 9).
 */
export function linesOf(pieces: readonly Piece[], width: number): Line[] {
  const text = pieces.map((piece) => piece.text).join("");
  const { levels, paragraphs } = bidi.getEmbeddingLevels(text, "auto");
  const base = paragraphs[0]?.level ?? 0;
  const starts: number[] = [];
  let offset = 0;
  for (const piece of pieces) {
    starts.push(offset);
    offset += piece.text.length;
  }
  const levelAt = (index: number) => levels[starts[index] ?? 0] ?? base;
  const line = (from: number, to: number) => lineOf(pieces, levelAt, from, to, base);
  const lines: Line[] = [];
  let from = 0;
  let used = 0;
  let at = 0;
  for (const end of [...breaksOf(text), text.length]) {
    let to = at;
    while (to < pieces.length && (starts[to] ?? 0) < end) to += 1;
    if (to === at) continue;
    const wide = widthOf(pieces, levelAt, at, to);
    if (used > 0 && used + wide.shown > width) {
      lines.push(line(from, at));
      from = at;
      used = 0;
    }
    if (wide.shown > width) {
      for (let one = at; one < to; one += 1) {
        const { all } = widthOf(pieces, levelAt, one, one + 1);
        if (used > 0 && used + all > width) {
          lines.push(line(from, one));
          from = one;
          used = 0;
        }
        used += all;
      }
    } else used += wide.all;
    at = to;
  }
  if (from < pieces.length || lines.length === 0) lines.push(line(from, pieces.length));
  return lines;
}

const words = new Intl.Segmenter("th", { granularity: "word" });
const THAI = /\p{Script=Thai}+/gu;

/** Where a line may end: offsets in the text, in order. */
function breaksOf(text: string): number[] {
  const found = new Set<number>();
  const breaker = new LineBreaker(text);
  for (let next = breaker.nextBreak(); next; next = breaker.nextBreak()) found.add(next.position);
  for (const { 0: run, index } of text.matchAll(THAI)) {
    for (const word of words.segment(run)) if (word.index > 0) found.add(index + word.index);
  }
  return [...found].sort((a, b) => a - b);
}

/** How wide a stretch is, with and without the spaces at its end. */
function widthOf(pieces: readonly Piece[], levelAt: (index: number) => number, from: number, to: number) {
  let end = to;
  while (end > from && pieces[end - 1]?.text.trim() === "") end -= 1;
  const sum = (runs: Run[]) => runs.reduce((all, run) => all + widthOfRun(run), 0);
  const shown = sum(runsOf(pieces, levelAt, from, end));
  return { shown, all: shown + sum(runsOf(pieces, levelAt, end, to)) };
}

const widthOfRun = (run: Run): number => run.face.width(run.text, isRightToLeft(run));

function runsOf(
  pieces: readonly Piece[],
  levelAt: (index: number) => number,
  from: number,
  to: number,
): Run[] {
  const runs: Run[] = [];
  for (let index = from; index < to; index += 1) {
    const { text, face } = pieces[index] as Piece;
    const level = levelAt(index);
    const shown = level % 2 === 1 ? (bidi.getMirroredCharacter(text) ?? text) : text;
    const last = runs.at(-1);
    if (last && last.face === face && last.level === level) last.text += shown;
    else runs.push({ text: shown, face, level });
  }
  return runs;
}

function lineOf(
  pieces: readonly Piece[],
  levelAt: (index: number) => number,
  from: number,
  to: number,
  base: number,
): Line {
  let end = to;
  while (end > from && pieces[end - 1]?.text.trim() === "") end -= 1;
  const runs = inSight(runsOf(pieces, levelAt, from, end));
  const width = runs.reduce((all, run) => all + widthOfRun(run), 0);
  const text = pieces
    .slice(from, end)
    .map((piece) => piece.text)
    .join("");
  return { runs, width, isRightToLeft: base % 2 === 1, text };
}

/** From the order of reading to that from left to right: rule L2 of UAX 9. */
function inSight(runs: readonly Run[]): Run[] {
  const ordered = [...runs];
  const highest = Math.max(0, ...runs.map(({ level }) => level));
  for (let level = highest; level > 0; level -= 1) {
    for (let from = 0; from < ordered.length; from += 1) {
      let to = from;
      while ((ordered[to]?.level ?? -1) >= level) to += 1;
      if (to > from) {
        ordered.splice(from, to - from, ...ordered.slice(from, to).reverse());
        from = to;
      }
    }
  }
  return ordered;
}
