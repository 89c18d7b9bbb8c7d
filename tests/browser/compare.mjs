// Compares the state of the page with the expected one. Each problem is a line of text.

const SLACK = 2; // canvas units

/** Differences between a workflow file and what the page would save. */
export function differences(file, saved) {
  const problems = [];
  const compareSaved = (what, before, after) => {
    const [a, b] = [before, after].map((value) => JSON.stringify(value));
    if (a !== b) problems.push(`${what}: the file has ${a}, the page saves ${b}`);
  };
  const links = (slots = []) => slots.map(({ name, type, link, links }) => ({ name, type, link: link ?? links ?? null }));
  const nodes = new Map(saved.nodes.map((node) => [node.id, node]));
  compareSaved("node ids", file.nodes.map(({ id }) => id).sort(), [...nodes.keys()].sort());
  for (const node of file.nodes) {
    const now = nodes.get(node.id);
    if (!now) continue;
    const name = `${node.type} (${node.id})`;
    compareSaved(`${name} type`, node.type, now.type);
    compareSaved(`${name} mode`, node.mode, now.mode);
    compareSaved(`${name} place`, node.pos, [...now.pos].map(Math.round));
    // The page itself sets the height of a node whose widgets depend on a choice.
    const sides = now.inputs?.some(({ type }) => type === "COMFY_DYNAMICCOMBO_V3") ? 1 : 2;
    compareSaved(`${name} size`, node.size.slice(0, sides), [...now.size].slice(0, sides).map(Math.round));
    const core = node.properties.cnr_id === "comfy-core";
    const [before, after] = core ? commonPart(node, now) : [node, now];
    compareSaved(`${name} values`, before.widgets_values ?? [], after.widgets_values ?? []);
    compareSaved(`${name} inputs`, links(before.inputs), links(after.inputs));
    compareSaved(`${name} outputs`, links(node.outputs), links(now.outputs));
  }
  compareSaved("links", file.links, saved.links);
  compareSaved("groups", file.groups.map(({ title }) => title), saved.groups.map(({ title }) => title));
  return problems;
}

/** Versions of a core node without the inputs at the end that only one version of ComfyUI has. */
function commonPart(...versions) {
  const least = (key) => Math.min(...versions.map((node) => node[key]?.length ?? 0));
  const [inputs, values] = [least("inputs"), least("widgets_values")];
  return versions.map((node) => ({
    inputs: node.inputs?.slice(0, inputs), widgets_values: node.widgets_values?.slice(0, values),
  }));
}

/** Nodes that overlap each other or the edge of a group. */
export function layoutProblems({ nodes, groups }) {
  const apart = ([, l, t, r, b], [, left, top, right, bottom]) =>
    r <= left + SLACK || right <= l + SLACK || b <= top + SLACK || bottom <= t + SLACK;
  const within = ([, l, t, r, b], [, left, top, right, bottom]) =>
    l >= left - SLACK && t >= top - SLACK && r <= right + SLACK && b <= bottom + SLACK;
  const problems = [];
  nodes.forEach((node, index) => {
    for (const other of nodes.slice(index + 1)) {
      if (!apart(node, other)) problems.push(`${node[0]} lies over ${other[0]}`);
    }
    for (const group of groups) {
      if (!apart(node, group) && !within(node, group)) problems.push(`${node[0]} sticks out of ${group[0]}`);
    }
  });
  return problems;
}

/** Adds a problem if the page shows something else than expected. */
export function compare(problems, what, found, expected) {
  const [a, b] = [found, expected].map((value) => JSON.stringify(value));
  if (a !== b) problems.push(`${what}: ${a} is shown, not ${b}`);
}
