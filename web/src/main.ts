import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { settings } from "./lib/settings.svelte";
import { here } from "./lib/here.svelte";
import { t } from "./strings";

document.title = t.title;
settings.load().then(() => {
  here.follow();
  mount(App, { target: document.getElementById("app")! });
});
