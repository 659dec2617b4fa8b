package web

import "causeway/appliance/model"

// callHomeField is a row of the table of CH-34, or one of ours beside them: a value
// of a line in the mode of Call Home.
type callHomeField struct {
	name   string // in the form; its fault is under it, too
	label  string
	syntax string // of the line
	arg    string // of the value; empty: a box that says whether there is the line
	needed bool   // where the field counts
	// never are what the choices above it may be for the field not to count, as
	// "mode none": it stays then as it is.
	never []never
	// options are what the words of a choice are called.
	options map[string]string
}

// never is a choice with which a field does not count.
type never struct {
	choice string
	values []string
}

// The choices that decide about other fields.
const (
	chooseMode      = "mode"
	chooseTransport = "transport"
	chooseCopy      = "copy"
)

// The fields that count in some modes only.
var (
	unlessSmart   = never{chooseMode, []string{model.CallHomeNone, model.CallHomeDisabled, model.CallHomeAnonymous}}
	unlessEnabled = never{chooseMode, []string{model.CallHomeNone, model.CallHomeDisabled}}
	unlessProxy   = never{chooseTransport, []string{model.CallHomeHTTPS, model.CallHomeEmail}}
	unlessEmail   = never{chooseTransport, []string{model.CallHomeHTTPS, model.CallHomeProxy}}
	unlessWeb     = never{chooseTransport, []string{model.CallHomeEmail}}
)

// callHomeGroups are the fields in the order and with the words of CH-34.
var callHomeGroups = []struct {
	title  string
	fields []callHomeField
}{
	{"", []callHomeField{
		{name: chooseMode, label: "Call Home", syntax: "mode MODE", arg: "MODE", needed: true, options: map[string]string{
			model.CallHomeNone: "None", model.CallHomeDisabled: "Disabled",
			model.CallHomeSmart: "Enabled (Smart Call Home)", model.CallHomeAnonymous: "Enabled (Anonymous Call Home)",
		}},
	}},
	{"Customer contact details", []callHomeField{
		{name: "contact-email-addr", label: "E-mail address", syntax: "contact-email-addr ADDRESS", arg: "ADDRESS", needed: true, never: []never{unlessSmart}},
		{name: "company", label: "Company", syntax: "company LINE", arg: "LINE", never: []never{unlessSmart}},
		{name: "contact-name", label: "Contact name", syntax: "contact-name NAME", arg: "NAME", never: []never{unlessSmart}},
		{name: "street-address", label: "Address", syntax: "street-address LINE", arg: "LINE", never: []never{unlessSmart}},
		{name: "phone-number", label: "Phone", syntax: "phone-number LINE", arg: "LINE", never: []never{unlessSmart}},
		{name: "contract-user-id", label: "Contract user ID", syntax: "contract-user-id WORD", arg: "WORD", never: []never{unlessSmart}},
		{name: "customer-id", label: "Customer ID", syntax: "customer-id WORD", arg: "WORD", never: []never{unlessSmart}},
		{name: "contract-id", label: "Contract ID", syntax: "contract-id WORD", arg: "WORD", never: []never{unlessSmart}},
		{name: "site-id", label: "Site ID", syntax: "site-id WORD", arg: "WORD", never: []never{unlessSmart}},
	}},
	{"Send data", []callHomeField{
		{name: chooseTransport, label: "Send data to the vendor using", syntax: "transport TRANSPORT", arg: "TRANSPORT", needed: true, never: []never{unlessEnabled}, options: map[string]string{
			model.CallHomeHTTPS: "Secure Web (HTTPS)", model.CallHomeEmail: "E-mail", model.CallHomeProxy: "Secure Web (HTTPS) through proxy",
		}},
		{name: "destination-url", label: "Address of the vendor", syntax: "destination url URL", arg: "URL", never: []never{unlessEnabled, unlessWeb}},
		{name: "destination-email", label: "E-mail address of the vendor", syntax: "destination email ADDRESS", arg: "ADDRESS", never: []never{unlessEnabled, unlessEmail}},
		{name: "proxy-host", label: "HTTPS proxy IP/host name", syntax: "http-proxy HOST port PORT", arg: "HOST", needed: true, never: []never{unlessEnabled, unlessProxy}},
		{name: "proxy-port", label: "HTTPS proxy port", syntax: "http-proxy HOST port PORT", arg: "PORT", needed: true, never: []never{unlessEnabled, unlessProxy}},
		{name: "format", label: "Format of the messages", syntax: "format FORMAT", arg: "FORMAT", never: []never{unlessEnabled}},
		{name: "copy-email-addr", label: "Send a copy to these e-mail addresses", syntax: "copy-email-addr LIST", arg: "LIST", needed: true, never: []never{unlessEnabled, {chooseCopy, []string{""}}}},
		{name: "sender-from", label: "E-mails are from", syntax: "sender from ADDRESS", arg: "ADDRESS", never: []never{unlessEnabled}},
		{name: "sender-reply-to", label: "Answers go to", syntax: "sender reply-to ADDRESS", arg: "ADDRESS", never: []never{unlessEnabled}},
		{name: "include-traces", label: "Include trace logs and diagnostic information", syntax: "include-traces", never: []never{unlessSmart}},
	}},
}
