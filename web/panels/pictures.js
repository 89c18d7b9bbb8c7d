import { say } from "./texts.js";

/**
 * The pictures of a sampling run: previews, which are tiles of one sheet, and the files of those that were saved.
 *
 * @typedef {{group: number, prompts: number, size: number}} Part the number of a group, and how many of its prompts
 * @typedef {{title: string | Part, texts: string[], colour: string, prompt: string | null, members: number[]}} Cluster
 *     see ClusterLabels in sage_core/panels/sampling.py; a group of different prompts has no `prompt` and no `members`
 * @typedef {{
 *   picture: string, columns: number, lines: number, aspect: number, variations: number, clusters: Cluster[],
 * }} Sheet one picture of all rows, with as many columns and lines of tiles as it says
 * @typedef {{aspect: number, subfolder: string, pictures: (Cluster & {files: string[]})[]}} Finished see
 *     finished_pictures in sage_core/panels/pictures.py
 * @typedef {{title: string, text: string, prompt: string | null, variation: number, tile: string, file: string}} Picture
 *     `tile` is the place of its preview in the sheet, as a CSS position; `file` is an address; "" for none
 * @typedef {{title: string, texts: string[], colour: string, pictures: Picture[]}} Frame
 */

/**
 * A frame per prompt, or per group while the groups run. Finished pictures take the place of their previews.
 *
 * @param {Sheet | null} sheet
 * @param {Finished | null} finished
 * @param {(query: string) => string} address of a file
 * @returns {Frame[]}
 */
export function framesOf(sheet, finished, address) {
  if (!finished) return (sheet?.clusters ?? []).map((cluster, number) => previewFrame(cluster, number, sheet));
  const numbers = new Map(sheet?.clusters.flatMap(({ members }, number) => members.map((member) => [member, number])));
  return finished.pictures.map(({ files, ...cluster }) => {
    const addresses = files.map((filename) =>
      address(String(new URLSearchParams({ filename, subfolder: finished.subfolder, type: "output" }))));
    const tiles = tilesOf(numbers.get(cluster.members[0]), sheet);
    return frame(cluster, addresses.map((file, variation) => ({ file, tile: tiles[variation] ?? "" })));
  });
}

/** @param {Cluster} cluster @param {number} number @param {Sheet | null} sheet */
const previewFrame = (cluster, number, sheet) => frame(cluster, tilesOf(number, sheet).map((tile) => ({ file: "", tile })));

/**
 * @param {Cluster} cluster
 * @param {{file: string, tile: string}[]} sources one per variation
 * @returns {Frame}
 */
function frame({ title: given, texts, colour, prompt }, sources) {
  const title = titleText(given);
  const many = sources.length > 1;
  const pictures = sources.map((source, variation) => ({
    ...source, prompt, variation, text: prompt ?? texts.join("\n"),
    title: many ? `${title} (${variation + 1})` : title,
  }));
  return { title, texts, colour, pictures };
}

/** @param {Cluster["title"]} title */
function titleText(title) {
  if (typeof title === "string") return title;
  const whole = title.prompts === title.size;
  return say(whole ? "Group {group}: {size} prompts" : "Group {group}: {prompts} of {size} prompts", title);
}

/** The places of the variations of a cluster in the sheet. @param {number | undefined} number @param {Sheet | null} sheet */
function tilesOf(number, sheet) {
  if (number === undefined || !sheet) return [];
  const { columns, lines, variations } = sheet;
  return Array.from({ length: variations }, (_, variation) => {
    const row = number * variations + variation;
    return `${offset(row % columns, columns)} ${offset(Math.floor(row / columns), lines)}`;
  });
}

/** The position of a tile in the sheet, as a CSS percentage. @param {number} index @param {number} count */
const offset = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;
