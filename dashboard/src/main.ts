// Starts the page.
import { mount } from 'svelte';
import App from './App.svelte';
import './ui/tokens.css';
import './ui/app.css';

// A relative address means something else after the page has gone to a deeper one, and browsers ask for the icon again.
const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
if (icon) icon.href = new URL(icon.href).href;

const target = document.getElementById('app');
if (target) mount(App, { target });
