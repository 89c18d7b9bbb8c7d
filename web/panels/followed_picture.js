/** @typedef {import("./pictures.js").Picture} Picture */

/** What a picture shows, whatever its place and file. @param {Picture} picture */
const contentOf = ({ prompt, variation, title, text }) =>
  JSON.stringify(prompt === null ? [title, text] : [prompt, variation]);

/** A picture that the user looks at while runs come and go: the next run has it in another place, or not yet. */
export class FollowedPicture {
  /** @param {Picture} picture as it was last, also while it is not there */
  constructor(picture) {
    this.picture = picture;
    /** Where it was last. */
    this.place = -1;
  }

  /** Where it is among the pictures of now; -1 while it is not there. @param {Picture[]} pictures */
  placeIn(pictures) {
    const content = contentOf(this.picture);
    const isSame = (/** @type {Picture | undefined} */ other) => other !== undefined && contentOf(other) === content;
    let place = pictures.indexOf(this.picture);
    // A prompt that is in the list twice has two equal pictures.
    if (place < 0) place = isSame(pictures[this.place]) ? this.place : pictures.findIndex(isSame);
    if (place >= 0) Object.assign(this, { place, picture: pictures[place] });
    return place;
  }
}
