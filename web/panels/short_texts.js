// The short texts on the cards, by which prompts are told apart.

/**
 * Where the short text of a prompt begins in it: there it differs from the others. 0 where that is not known.
 *
 * @param {string} text
 * @param {string} label
 */
export const labelStart = (text, label) => Math.max(0, text.indexOf(label.split(/[…,]/)[0].trim()));

/**
 * A short text for each prompt: of one that was edited, without what it begins with as before.
 *
 * @param {{prompts: string[], labels?: string[]} | null} run
 * @param {string[]} prompts as they are now
 */
export function shortTexts(run, prompts) {
  const before = run?.prompts ?? [];
  const labels = run?.labels ?? before;
  return prompts.map((now, index) => {
    const [text, label] = [before[index], labels[index]];
    return now === text ? label : now.slice(commonStart(text.slice(0, labelStart(text, label)), now).length);
  });
}

/** The words that two texts begin with. @param {string} a @param {string} b */
function commonStart(a, b) {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return a.slice(0, a.lastIndexOf(" ", length - 1) + 1);
}
