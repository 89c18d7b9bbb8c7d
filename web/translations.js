// The texts of the panels, menus and messages in the language that the user has chosen for ComfyUI.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { useTranslations } from "./panels/texts.js";

app.registerExtension({
  name: "SAGE.Translations",
  async init() {
    const served = await api.getCustomNodesI18n().catch(() => ({})); // then the texts stay English
    useTranslations(served, () => String(app.extensionManager.setting.get("Comfy.Locale")));
  },
});
