import type { Sample } from "./content.ts";

const META_GROUP = 0x0002;
const FIRST_GROUP = 0x0008;
const UNDEFINED_LENGTH = 0xffffffff;

/** Value representations (PS3.5, 6.2 and 7.1.2): lengths of two bytes, and of four. */
const SHORT_VR = /^(?:AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|LT|PN|SH|SL|SS|ST|TM|UI|UL|US)$/;
const LONG_VR = /^(?:OB|OD|OF|OL|OV|OW|SQ|SV|UC|UN|UR|UT|UV)$/;

/** Of a file that is a TIFF or BigTIFF as well. */
const TIFF_PREAMBLES = ["49492a00", "4d4d002a", "49492b00", "4d4d002b"];

/** "DICM" after a preamble of 128 bytes, then file meta group 0002 (PS3.10, 7.1). */
export function isDicomFile({ head }: Sample): boolean {
  return head.toString("latin1", 128, 132) === "DICM" && head.subarray(132, 134).toString("hex") === "0200";
}

/**
 * True when the preamble of a DICOM file cannot be a program of its own (CVE-2019-11687): it is
 * TIFF, or has no letters and begins with zeros, as those of devices that count in it do.
 */
export function hasSafePreamble({ head }: Sample): boolean {
  const preamble = head.subarray(0, 128);
  const begin = preamble.toString("hex", 0, 4);
  return TIFF_PREAMBLES.includes(begin) || (begin === "00000000" && preamble.every((byte) => byte < 0x20));
}

/**
 * A data set without preamble, as old devices write it: little-endian elements in order, each in
 * its bounds, to the end or as far as the sample goes.
 */
export function isBareDicom(sample: Sample): boolean {
  const start = sample.head.toString("latin1", 0, 4) === "DICM" ? 4 : 0;
  const group = sample.head.length >= start + 8 ? sample.head.readUInt16LE(start) : 0;
  if (group !== META_GROUP && group !== FIRST_GROUP) return false;
  return hasElements(sample, start, explicitElement) || hasElements(sample, start, implicitElement);
}

type ElementReader = (head: Buffer, at: number) => { header: number; length: number } | null;

function hasElements({ head, size }: Sample, start: number, read: ElementReader): boolean {
  let last = -1;
  for (let at = start; at !== size; ) {
    if (at + 12 > head.length && size > head.length) break;
    if (at + 8 > head.length) return false;
    const group = head.readUInt16LE(at);
    // Behind the meta group another transfer syntax may begin.
    if (last >= 0 && last >>> 16 === META_GROUP && group !== META_GROUP) break;
    const element = read(head, at);
    if (!element) return false;
    const tag = ((group << 16) | head.readUInt16LE(at + 2)) >>> 0;
    if (tag <= last) return false;
    last = tag;
    if (element.length === UNDEFINED_LENGTH) break;
    at += element.header + element.length;
    if (element.length % 2 === 1 || at > size) return false;
  }
  return last >= 0;
}

function explicitElement(head: Buffer, at: number) {
  const vr = head.toString("latin1", at + 4, at + 6);
  if (SHORT_VR.test(vr)) return { header: 8, length: head.readUInt16LE(at + 6) };
  if (!LONG_VR.test(vr) || at + 12 > head.length) return null;
  return { header: 12, length: head.readUInt32LE(at + 8) };
}

function implicitElement(head: Buffer, at: number) {
  return { header: 8, length: head.readUInt32LE(at + 4) };
}
