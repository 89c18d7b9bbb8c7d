// A user who takes a file of prompts from the own computer: from the menu of a node, and by dropping it onto the node.

const NODE = "list";
const LABEL = "Upload a prompt file";
const WORKFLOW = { 1: { class_type: "SagePromptList", inputs: { prompts: "" }, _meta: { title: NODE } } };

/**
 * @param {import("./page.mjs").WorkflowPage} page
 * @param {string[]} problems
 */
export async function usePromptFiles(page, problems) {
  const { tab } = page;
  await tab.evaluate((nodes) => window.app.loadApiJson(nodes, "prompt_files"), WORKFLOW);
  await page.look(NODE);
  const number = Date.now();

  const menu = await page.openMenu(NODE);
  const [chooser] = await Promise.all([tab.waitForEvent("filechooser"), menu.getByText(LABEL, { exact: true }).click()]);
  await chooser.setFiles(file(`menu_${number}.txt`));
  await expectChosen(tab, `menu_${number}.txt`, problems);

  await drop(page, `dropped_${number}.csv`, `prompt\na boat ${number}\n`);
  await expectChosen(tab, `dropped_${number}.csv`, problems);

  await drop(page, "workflow.json", JSON.stringify({ 1: { class_type: "SageDemoModel", inputs: {} } }));
  const isOpen = () => window.app.graph.nodes.map(({ type }) => type).join() === "SageDemoModel";
  const opened = await tab.waitForFunction(isOpen, null, { timeout: 10_000 }).catch(() => 0);
  if (!opened) problems.push("a workflow that is dropped onto the node does not open");
}

const file = (name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(`a red car ${name}`) });

async function drop(page, name, content) {
  const [x, y] = await page.titlePosition(NODE);
  await page.tab.evaluate(([text, named, clientX, clientY]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], named));
    const target = document.elementFromPoint(clientX, clientY);
    for (const type of ["dragover", "drop"]) {
      target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer, clientX, clientY }));
    }
  }, [content, name, x, y]);
}

async function expectChosen(tab, name, problems) {
  const value = () => window.app.graph.nodes[0].widgets.find((widget) => widget.name === "prompt_file").value;
  const chosen = await tab.waitForFunction(`(${value})() === ${JSON.stringify(name)}`, null, { timeout: 10_000 }).catch(() => 0);
  if (!chosen) problems.push(`prompt_file is ${await tab.evaluate(value)}, not ${name}`);
}
