/** Two rows of `fhir_resources` as they were sealed, without padding, before there was any. */
export const FORMER = {
  serviceKey: "7571743c5bdb15b23d581ad5b4f5a769ced5d80ddbe527db02cbeed3a99aeb3f",
  subjectId: "0190b3c4-0000-7000-8000-000000000100",
  createdAt: "2026-01-31T10:00:00.000Z",
  wrapped:
    "0201000000010000000133f498f2360ef2938616800af78a20dee35b047630342f9cbe53b02e0f8c503632adff4941a9" +
    "dc70e2234b5f10f2ae383431957076060ededf44531de9e93425aa38540fb6e445216261b12723f6f7539407cae95de8" +
    "368edbcd2ff7",
  rows: [
    {
      id: "0190b3c4-0000-7000-8000-000000000001",
      text: "Ibuprofen 400 mg",
      sealed:
        "01010000000153a111642480a83a4ea9113026bbfb82bd7aa502cb4b85982ae69d9f7378e9d7d0721f67a1f2bf911baf" +
        "7fe111c2ebf3f47f2bf58367776db717a237b3255525e614c9292598ba87a3b0277d2c796517ea53a077d899de834bcb" +
        "27901e4440289df1d7259742a71f25e78f3e6c3baad23b2322b1",
    },
    {
      id: "0190b3c4-0000-7000-8000-000000000002",
      text: "Acetaminophen 325 MG Oral Tablet",
      sealed:
        "010100000001dc4dd896ad0a5ca109bf7c27eef0a5128619043cb7686ec32ccd11ce35e256f6bc218fb1877ca5483748" +
        "ba7a4b483324f8cb5039fd4991b9dc53f02e09e5aa8d1f97fa3fc25da710d9513424466a3cc6fc4cc6071e77dd6dd509" +
        "9482871a7f1fa4ec837e66d7a6dd24a3de9d834f8ffbbe4b9c1144f0c05b6aca95a5d54ff56b1c9ef4e7",
    },
  ],
} as const;
