// The graphs for the pictures of the help pages: the help pages' examples in API format, and where the nodes are.

const node = (class_type, inputs = {}) => ({ class_type, inputs });
const titled = (title, made) => ({ ...made, _meta: { title } });
const FIXED = { control_after_generate: "fixed" };
const SAMPLING = { seed: 42, ...FIXED, steps: 20, cfg: 4, sampler_name: "euler", scheduler: "simple" };

/** The start of most examples: the default prompts of Semantic Group Prompts, on the demo model. */
const START = {
  demo: node("SageDemoModel"),
  negative: node("CLIPTextEncode", { clip: ["demo", 1], text: "" }),
  latent: node("EmptyLatentImage", { width: 128, height: 128, batch_size: 1 }),
  groups: node("SageSemanticGroupPrompts", { clip: ["demo", 1] }),
};
const SAMPLED = {
  model: ["demo", 0], groups: ["groups", 0], negative: ["negative", 0], latent_image: ["latent", 0], ...SAMPLING,
};
const PREFIX = { ...START, prefix: node("SageSharedKSamplerPrefix", SAMPLED) };
/** The same prompts without sharing and with it. */
const BOTH = {
  ...START,
  sampler_alone: node("SageKSampler", { ...SAMPLED, share: 0 }),
  images_alone: node("VAEDecode", { samples: ["sampler_alone", 0], vae: ["demo", 2] }),
  sampler: node("SageKSampler", SAMPLED),
  images: node("VAEDecode", { samples: ["sampler", 0], vae: ["demo", 2] }),
};
/** Branch KSampler and its images, after a prefix. */
const branch = (prefix) => ({
  branch: node("SageBranchKSampler", { model: ["demo", 0], prefix: [prefix, 0] }),
  images: node("VAEDecode", { samples: ["branch", 0], vae: ["demo", 2] }),
  pictures: node("PreviewImage", { images: ["images", 0] }),
});
const SAVING = {
  ...PREFIX,
  file: node("SageSavePrefix", { prefix: ["prefix", 0], filename_prefix: "prefixes/cars" }),
  ...branch("prefix"),
  report: node("PreviewAny", { source: ["branch", 1] }),
};

/** What the template "8 Train a SAGE LoRA" trains. */
const TRAINED = {
  demo: START.demo,
  demo_images: node("SageDemoImages"),
  negative: START.negative,
  data: node("MakeTrainingDataset", {
    images: ["demo_images", 0], texts: ["demo_images", 1], vae: ["demo", 2], clip: ["demo", 1],
  }),
  training: node("SageTrainLora", {
    model: ["demo", 0], latents: ["data", 0], positive: ["data", 1], negative: ["negative", 0], steps: 160,
    learning_rate: 0.001, seed: 1, ...FIXED, run_name: "example", batch_size: 8,
  }),
  lora: node("SageSaveLora", { lora: ["training", 0], steps: ["training", 2], prefix: "loras/sage" }),
};

/** Files that an earlier scene saved. */
const LORA = "sage_00001_160_steps.safetensors";
const SHARED = "prefixes/cars_00001_.prefix.safetensors [output]";

/** Prompt List into the nodes that every workflow has. */
const LISTED = {
  demo: START.demo,
  latent: START.latent,
  list: node("SagePromptList", { negative: "a house" }),
  positive: node("CLIPTextEncode", { clip: ["demo", 1], text: ["list", 0] }),
  negative: node("CLIPTextEncode", { clip: ["demo", 1], text: ["list", 1] }),
  sampler: node("KSampler", {
    model: ["demo", 0], positive: ["positive", 0], negative: ["negative", 0], latent_image: ["latent", 0], ...SAMPLING,
  }),
  images: node("VAEDecode", { samples: ["sampler", 0], vae: ["demo", 2] }),
  files: node("SaveImage", { images: ["images", 0], filename_prefix: ["list", 2] }),
};

/** The same with shared steps, and a file per prompt. */
const LIST_SHARED = {
  demo: LISTED.demo,
  latent: LISTED.latent,
  list: LISTED.list,
  positive: LISTED.positive,
  negative: LISTED.negative,
  share: node("SageShare", {
    model: ["demo", 0], positive: ["positive", 0], latent_image: ["latent", 0], negative: ["negative", 0],
    prompts: ["list", 0], share: 0.4,
  }),
  sampler: node("KSampler", {
    model: ["share", 0], positive: ["share", 1], negative: ["share", 2], latent_image: ["share", 3], ...SAMPLING,
  }),
  split: node("SageSplitByPrompt", { groups: ["share", 4], latent: ["sampler", 0] }),
  images: node("VAEDecode", { samples: ["split", 0], vae: ["demo", 2] }),
  files: LISTED.files,
};

/** Graphs to run, then the pictures to take of the last one, with the places of its nodes: see `arrange`. */
export const SCENES = [
  [
    {
      latent: START.latent,
      demo: START.demo,
      positive: node("CLIPTextEncode", { clip: ["demo", 1], text: "a red star above a white house at night" }),
      negative: START.negative,
      sampler: node("KSampler", {
        model: ["demo", 0], positive: ["positive", 0], negative: ["negative", 0], latent_image: ["latent", 0],
        ...SAMPLING,
      }),
      images: node("VAEDecode", { samples: ["sampler", 0], vae: ["demo", 2] }),
      pictures: node("PreviewImage", { images: ["images", 0] }),
    },
    {
      SageDemoModel: {
        demo: [0, 0, 240, 110], positive: [0, 150, 240, 120], negative: [0, 310, 240, 120],
        sampler: [270, 0, 250, 320], images: [550, 0, 230, 60], pictures: [550, 110, 230, 300],
      },
    },
  ],
  [
    {
      demo_images: node("SageDemoImages"),
      shown: node("PreviewImage", { images: ["demo_images", 0] }),
      captions: node("PreviewAny", { source: ["demo_images", 1] }),
    },
    { SageDemoImages: { demo_images: [0, 0, 250, 90], captions: [0, 160, 250, 220], shown: [300, 0, 360, 380] } },
  ],
  [
    LISTED,
    {
      SagePromptList: {
        list: [0, 0, 290, 420], positive: [320, 0, 240, 110], negative: [320, 160, 240, 110],
        sampler: [320, 330], images: [320, 390], files: [590, 0, 300, 420],
      },
    },
  ],
  [
    LIST_SHARED,
    {
      SageShare: {
        share: [0, 0, 340, 720], sampler: [370, 0, 260, 320], split: [370, 370, 260, 140], images: [370, 570, 260, 60],
        files: [660, 0, 250, 680],
      },
      SageSplitByPrompt: {
        share: [0, 0], sampler: [0, 60, 260, 320], split: [300, 60, 260, 140], images: [300, 260, 260, 60],
        files: [600, 0, 300, 420],
      },
    },
  ],
  [
    {
      ...PREFIX,
      latent: node("EmptyLatentImage", { width: 128, height: 128, batch_size: 2 }),
      shared_images: node("VAEDecode", { samples: ["prefix", 1], vae: ["demo", 2] }),
      shown: node("PreviewImage", { images: ["shared_images", 0] }),
    },
    {
      SageSharedKSamplerPrefix: {
        prefix: [0, 0, 340, 600], shared_images: [390, 0, 280, 60], shown: [390, 110, 280, 490],
      },
    },
  ],
  [
    SAVING,
    {
      SageBranchKSampler: {
        branch: [0, 0, 340, 340], report: [0, 390, 340, 230], images: [390, 0, 300, 60], pictures: [390, 110, 300, 510],
      },
      SageSavePrefix: {
        groups: [0, 0], prefix: [0, 60, 340, 490], file: [390, 60, 340, 100], branch: [390, 220, 340, 330],
      },
    },
  ],
  [
    {
      ...PREFIX,
      files: node("SageBranchSave", {
        model: ["demo", 0], prefix: ["prefix", 0], vae: ["demo", 2], filename_prefix: "SAGE/cars",
      }),
      report: node("PreviewAny", { source: ["files", 0] }),
    },
    { SageBranchSave: { prefix: [0, 0], files: [0, 60, 360, 520], report: [400, 60, 300, 230] } },
  ],
  [
    {
      ...PREFIX,
      added: node("SageAddPrompts", { prefix: ["prefix", 0], clip: ["demo", 1], prompts: "a white car in the snow" }),
      report: node("PreviewAny", { source: ["added", 2] }),
      ...branch("added"),
    },
    {
      SageAddPrompts: {
        prefix: [0, 0], added: [0, 60, 310, 200], report: [0, 310, 310, 200],
        branch: [350, 0, 350, 220], images: [350, 290, 350, 60], pictures: [350, 390, 350, 220],
      },
    },
  ],
  [
    SAVING,
    {
      ...START,
      file: node("SageLoadPrefix", { file: SHARED }),
      added: node("SageAddPrompts", { prefix: ["file", 0], clip: ["demo", 1], prompts: "a white car in the snow" }),
      ...branch("added"),
    },
    {
      SageLoadPrefix: {
        file: [0, 0, 340, 90], added: [0, 150, 340, 200],
        branch: [390, 0, 350, 220], images: [390, 290, 350, 60], pictures: [390, 390, 350, 220],
      },
    },
  ],
  [
    {
      ...START,
      guider: node("SageGuider", { model: ["demo", 0], groups: ["groups", 0], negative: ["negative", 0], cfg: 4 }),
      noise: node("RandomNoise", { noise_seed: 42, ...FIXED }),
      sampler: node("KSamplerSelect", { sampler_name: "dpmpp_2m" }),
      sigmas: node("BasicScheduler", { model: ["demo", 0], scheduler: "beta", steps: 20, denoise: 1 }),
      custom: node("SamplerCustomAdvanced", {
        noise: ["noise", 0], guider: ["guider", 0], sampler: ["sampler", 0], sigmas: ["sigmas", 0],
        latent_image: ["latent", 0],
      }),
      images: node("VAEDecode", { samples: ["custom", 0], vae: ["demo", 2] }),
      pictures: node("PreviewImage", { images: ["images", 0] }),
    },
    {
      SageGuider: {
        guider: [0, 0, 280, 200], noise: [0, 240, 280, 100], sampler: [0, 380, 280, 70], sigmas: [0, 490, 280, 130],
        custom: [330, 0, 300, 160], images: [330, 200, 300, 60], pictures: [330, 300, 300, 320],
      },
    },
  ],
  [
    {
      ...BOTH,
      grid: node("SageComparisonGrid", {
        groups: ["groups", 0], images: ["images_alone", 0], images_2: ["images", 0], titles: "alone\nshared",
        image_size: 64,
      }),
      shown: node("PreviewImage", { images: ["grid", 0] }),
    },
    { SageComparisonGrid: { grid: [0, 0, 250, 400], shown: [290, 0, 480, 400] } },
  ],
  [
    {
      ...START,
      explorer: node("SageShareExplorer", {
        ...SAMPLED, sampler_name: "dpmpp_2m", vae: ["demo", 2], shares: "0.4, 0.8", tolerance: 0.03, most_prompts: 8,
      }),
      report: node("PreviewAny", { source: ["explorer", 1] }),
    },
    { SageShareExplorer: { explorer: [0, 0, 420, 900], report: [460, 0, 460, 420] } },
  ],
  [
    {
      ...BOTH,
      metrics_alone: node("SageMetrics", { images: ["images_alone", 0], groups: ["groups", 0] }),
      metrics: node("SageMetrics", { images: ["images", 0], groups: ["groups", 0] }),
      plot: node("PreviewImage", { images: ["metrics", 1] }),
      report_alone: titled("Report, alone", node("PreviewAny", { source: ["metrics_alone", 0] })),
      report_shared: titled("Report, shared", node("PreviewAny", { source: ["metrics", 0] })),
    },
    {
      SageMetrics: {
        metrics: [0, 0, 260, 260], plot: [0, 310, 260, 180],
        report_shared: [300, 0, 400, 220], report_alone: [300, 270, 400, 220],
      },
    },
  ],
  [
    {
      ...BOTH,
      files: node("SageSaveImages", { images: ["images", 0], groups: ["groups", 0], filename_prefix: "SAGE/cars" }),
    },
    { SageSaveImages: { groups: [0, 130], images: [0, 0, 230, 60], files: [280, 0, 380, 420] } },
  ],
  [
    TRAINED,
    {
      ...START,
      ...TRAINED,
      loader: node("LoraLoaderModelOnly", { model: ["demo", 0], lora_name: LORA, strength_model: 1 }),
      sampler: node("SageKSampler", { ...SAMPLED, model: ["loader", 0] }),
      images: node("VAEDecode", { samples: ["sampler", 0], vae: ["demo", 2] }),
      pictures: node("PreviewImage", { images: ["images", 0] }),
    },
    {
      SageSaveLora: {
        training: [0, 0], lora: [0, 60, 340, 160], loader: [0, 280, 340, 110],
        sampler: [400, 0], images: [400, 60, 300, 60], pictures: [400, 160, 300, 320],
      },
    },
  ],
];
