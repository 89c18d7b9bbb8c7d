// New nodes, as the node search adds them: all text can be read, and no panel hangs out of its node.

const LINES = 8; // of a list of prompts

/** Adds each of our nodes alone to an empty graph and measures it. */
export async function measureNodes(page, shot, problems) {
  const types = await page.tab.evaluate(() => {
    window.app.canvas.ds.scale = 1;
    return Object.keys(window.LiteGraph.registered_node_types).filter((type) => type.startsWith("Sage"));
  });
  for (const type of types) {
    await page.tab.evaluate((added) => {
      const { graph, canvas } = window.app;
      graph.clear();
      const node = window.LiteGraph.createNode(added);
      node.pos = [60, 60];
      canvas.ds.offset = [0, 0];
      graph.add(node);
      node.setDirtyCanvas(true, true);
    }, type);
    await page.tab.waitForTimeout(400);
    const found = await page.tab.evaluate(sizeProblems, LINES);
    problems.push(...found.map((problem) => `${type}: ${problem}`));
    if (found.length || ["SageSemanticGroupPrompts", "SageKSampler", "SagePromptList"].includes(type)) await shot(type);
  }
}

/** What cannot be read, or lies where it should not, on the only node. Runs in the page. */
function sizeProblems(lines) {
  const { graph, canvas } = window.app;
  const [node] = graph.nodes;
  const drawn = document.querySelector(`[data-node-id="${node.id}"]`);
  const origin = canvas.canvas.getBoundingClientRect();
  const [left, top] = [origin.left + node.pos[0] + canvas.ds.offset[0], origin.top + node.pos[1] + canvas.ds.offset[1]];
  const whole = drawn?.getBoundingClientRect() ?? new DOMRect(left, top, ...node.size);
  const elements = (drawn ?? document).querySelectorAll(drawn ? "textarea, .sage-panel" : ".dom-widget textarea, .sage-panel");
  const boxes = [...elements].filter((each) => each.checkVisibility()).map((each) => [each, each.getBoundingClientRect()]);
  const problems = [];
  for (const [element, box] of boxes) {
    const name = element.className.split(" ")[0] || element.tagName;
    if (box.bottom > whole.bottom + 1 || box.right > whole.right + 1 || box.left < whole.left - 1) {
      problems.push(`${name} hangs out: ${Math.round(box.bottom)} below ${Math.round(whole.bottom)}`);
    }
    if (boxes.some(([, other]) => other.top > box.top && other.top < box.bottom - 1)) problems.push(`${name} lies over another`);
    if (element.tagName !== "TEXTAREA") continue;
    const { lineHeight, fontSize, paddingTop, paddingBottom } = getComputedStyle(element);
    const line = parseFloat(lineHeight) || 1.2 * parseFloat(fontSize);
    const shown = (element.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) / line;
    if (shown < lines) problems.push(`a text box shows ${shown.toFixed(1)} lines, not ${lines}`);
  }
  const inNode = (widget) => !drawn && !widget.hidden && !widget.element && widget.y + 20 > node.size[1];
  const out = (node.widgets ?? []).filter(inNode).map(({ name }) => `${name} lies below the node`);
  return [...problems, ...out];
}
