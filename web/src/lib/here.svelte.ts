/** The page that the address names. */
import { parse, type Route } from "./route";

class Here {
  route = $state<Route>({ page: "overview", id: "" });

  follow() {
    const read = () => (this.route = parse(location.hash));
    window.addEventListener("hashchange", read);
    read();
  }
}

export const here = new Here();
