import { randomBytes } from "node:crypto";
import { encode } from "uqr";
import type { Block, DocumentOptions } from "./block.ts";
import { harden } from "./encryption.ts";
import type { Face } from "./face.ts";
import { FontBook } from "./font-book.ts";
import { isRightToLeft, type Line, linesOf } from "./line.ts";
import { PDFDocument, type Pdf } from "./packages.ts";
import { partsOf, piecesOf } from "./piece.ts";

const SIDE = 56;
const TOP = 56;
const BOTTOM = 64;
const LABEL_WIDTH = 120;
const LOGO: [number, number] = [120, 56];
const QR_SIDE = 84;
const REGULAR = 400;
const BOLD = 700;
const INK = "#111111";
const GREY = "#555555";

interface Style {
  readonly size: number;
  readonly weight: number;
  readonly color: string;
}
const TITLE: Style = { size: 17, weight: BOLD, color: INK };
const HEADING: Style = { size: 12.5, weight: BOLD, color: INK };
const STRONG: Style = { size: 10.5, weight: BOLD, color: INK };
const BODY: Style = { size: 10.5, weight: REGULAR, color: INK };
const SMALL: Style = { size: 8.5, weight: REGULAR, color: GREY };

/** A PDF that grows by blocks, in pages of A4. What is made of it is read as it grows. */
export class Sheet {
  readonly pdf: Pdf;
  readonly #book = new FontBook();
  readonly #names = new Map<Face, string>();
  readonly #foot: string;
  #pages = 0;
  #y = TOP;

  constructor({ title, madeAt, letterhead, password }: DocumentOptions) {
    const owner = randomBytes(32).toString("base64url");
    this.pdf = new PDFDocument({
      ...{ size: "A4", margin: 0, autoFirstPage: false, font: null, fontLayoutCache: false },
      ...{ pdfVersion: "1.7ext3", lang: "en", displayTitle: true },
      info: { Title: title, Producer: "MedVault", Creator: "MedVault" },
      // Replaced below: pdfkit refuses what its SASLprep knows no order of, as Arabic beside Latin.
      ...(password !== null && { userPassword: owner, ownerPassword: owner, permissions: PERMISSIONS }),
    });
    if (password !== null) {
      if (!this.pdf._security) throw new TypeError("the document is not encrypted");
      harden(this.pdf._security, password, owner);
    }
    this.#foot = `${title} · ${madeAt}`;
    this.#turn();
    this.#head(letterhead);
  }

  /** Adds what comes next. */
  put(block: Block): void {
    switch (block.kind) {
      case "title":
        this.#write(block.text, TITLE);
        this.#y += 8;
        break;
      case "heading":
        this.#room(60);
        this.#y += 14;
        this.#write(block.text, HEADING);
        this.#rule();
        break;
      case "field":
        this.#field(block.label, block.value);
        break;
      case "entry":
        this.#entry(block);
        break;
      case "code":
        this.#code(block.text, block.words);
        break;
      default:
        this.#write(block.text, block.kind === "note" ? SMALL : BODY);
        this.#y += 2;
    }
  }

  #field(label: string, value: string): void {
    const lines = this.#lines(value, BODY, this.#width - LABEL_WIDTH);
    this.#room(heightOf(BODY));
    const top = this.#y;
    this.#write(label, SMALL, { width: LABEL_WIDTH - 8, offset: 2 });
    this.#y = top;
    this.#draw(lines, BODY, { left: SIDE + LABEL_WIDTH, width: this.#width - LABEL_WIDTH });
    this.#y += 3;
  }

  #entry({ date, title, by }: { date: string; title: string; by: string }): void {
    this.#room(48);
    this.#y += 8;
    const top = this.#y;
    this.#write(date, SMALL, { width: LABEL_WIDTH - 8, offset: 2 });
    this.#y = top;
    const beside = { left: SIDE + LABEL_WIDTH, width: this.#width - LABEL_WIDTH };
    this.#draw(this.#lines(title, STRONG, beside.width), STRONG, beside);
    if (by !== "") this.#draw(this.#lines(by, SMALL, beside.width), SMALL, beside);
    this.#y += 2;
  }

  /** A code to be typed, and to be read by a camera. */
  #code(text: string, words: string): void {
    this.#room(QR_SIDE + 40);
    this.#y += 18;
    const top = this.#y;
    const { data, size } = encode(text, { ecc: "M", border: 0 });
    const side = QR_SIDE / size;
    for (const [row, modules] of data.entries()) {
      for (const [column, isDark] of modules.entries())
        if (isDark) this.pdf.rect(SIDE + column * side, top + row * side, side, side);
    }
    this.pdf.fill(INK);
    const beside = { left: SIDE + QR_SIDE + 16, width: this.#width - QR_SIDE - 16 };
    this.#draw(this.#lines(text, STRONG, beside.width), STRONG, beside);
    this.#draw(this.#lines(words, SMALL, beside.width), SMALL, beside);
    this.#y = Math.max(this.#y, top + QR_SIDE);
  }

  get #width(): number {
    return this.pdf.page.width - 2 * SIDE;
  }

  #head({ name, lines, logo }: DocumentOptions["letterhead"]): void {
    if (logo) this.pdf.image(logo, this.pdf.page.width - SIDE - LOGO[0], TOP, { fit: LOGO });
    const width = this.#width - (logo ? LOGO[0] + 16 : 0);
    if (name !== "") this.#draw(this.#lines(name, HEADING, width), HEADING, { left: SIDE, width });
    for (const line of lines) this.#draw(this.#lines(line, SMALL, width), SMALL, { left: SIDE, width });
    if (logo) this.#y = Math.max(this.#y, TOP + LOGO[1]);
    if (this.#y > TOP) this.#rule();
    this.#y += 10;
  }

  #rule(): void {
    const y = this.#y + 3;
    this.pdf
      .moveTo(SIDE, y)
      .lineTo(SIDE + this.#width, y)
      .lineWidth(0.5)
      .strokeColor(GREY)
      .stroke();
    this.#y += 8;
  }

  /** Begins a page where less than this is left of one. */
  #room(height: number): void {
    if (this.#y + height > this.pdf.page.height - BOTTOM) this.#turn();
  }

  #turn(): void {
    this.pdf.addPage();
    this.#pages += 1;
    const y = this.pdf.page.height - BOTTOM + 24;
    for (const line of this.#lines(`${this.#foot} · page ${this.#pages}`, SMALL, this.#width).slice(0, 1))
      this.#drawLine(line, SMALL, SIDE, y, this.#width);
    this.#y = TOP;
  }

  #write(text: string, style: Style, { width = this.#width, offset = 0 } = {}): void {
    this.#y += offset;
    this.#draw(this.#lines(text, style, width), style, { left: SIDE, width });
  }

  #lines(text: string, { size, weight }: Style, width: number): Line[] {
    const parts = partsOf(text);
    return parts.flatMap((part) => linesOf(piecesOf(part, this.#book, weight), width / size));
  }

  #draw(lines: readonly Line[], style: Style, { left, width }: { left: number; width: number }): void {
    for (const line of lines) {
      this.#room(heightOf(style));
      this.#drawLine(line, style, left, this.#y + style.size * 1.1, width);
      this.#y += heightOf(style);
    }
  }

  #drawLine(line: Line, { size, color }: Style, left: number, baseline: number, width: number): void {
    let x = left + (line.isRightToLeft ? Math.max(0, width - line.width * size) : 0);
    this.pdf.fillColor(color).fontSize(size);
    // Where letters are drawn in another order than they are read in, what is copied is the text.
    const isReordered = REORDERED.test(line.text) && !line.runs.some(isRightToLeft);
    if (isReordered) this.pdf.markContent("Span", { actual: line.text });
    for (const run of line.runs) {
      const isRtl = isRightToLeft(run);
      run.face.towards(isRtl);
      this.pdf.font(this.#nameOf(run.face));
      this.pdf.text(run.text, x, baseline, { lineBreak: false, features: [], baseline: "alphabetic" });
      x += run.face.width(run.text, isRtl) * size;
    }
    if (isReordered) this.pdf.endMarkedContent();
  }

  #nameOf(face: Face): string {
    let name = this.#names.get(face);
    if (name === undefined) {
      name = `face ${this.#names.size}`;
      this.#names.set(face, name);
      this.pdf.registerFont(name, face.font);
    }
    return name;
  }
}

/** Who has the password may print it and copy from it. */
const PERMISSIONS = { printing: "highResolution", copying: true, contentAccessibility: true };

const REORDERED = /[\p{Script=Devanagari}\p{Script=Thai}]/u;

const heightOf = ({ size }: Style): number => size * 1.45;
