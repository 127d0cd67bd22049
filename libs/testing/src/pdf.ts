/** A PDF as another program reads it (pdf.js). */
export interface ReadPdf {
  readonly pages: number;
  /**
   * All text, page by page, without white space, about which readers disagree, and controls, which
   * this one shows for a glyph that stands for no letter (the dots of another).
   */
  readonly text: string;
  /** PDF strings of the document's properties. */
  readonly info: Readonly<Record<string, unknown>>;
}

/** Opens and reads a PDF. Throws pdf.js's PasswordException without the right password. */
export async function readPdf(bytes: Uint8Array, password?: string): Promise<ReadPdf> {
  // Half a second to load, which other tests do without.
  const { getDocument } = await import("pdfjs-dist/legacy/build/pdf.mjs");
  const task = getDocument({
    data: new Uint8Array(bytes),
    verbosity: 0,
    ...(password !== undefined && { password }),
  });
  try {
    const pdf = await task.promise;
    const texts: string[] = [];
    for (let number = 1; number <= pdf.numPages; number += 1) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      texts.push(items.map((item) => ("str" in item ? item.str : "")).join(""));
      page.cleanup();
    }
    const { info } = await pdf.getMetadata();
    return { pages: pdf.numPages, text: texts.join("").replace(/[\s\p{Cc}]/gu, ""), info: { ...info } };
  } finally {
    await task.destroy();
  }
}
