// Style sheets are built in as text (`build.mjs`).
declare module "*.css" {
  const text: string;
  export default text;
}
