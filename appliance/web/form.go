package web

import (
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"
)

// readForm reads what a form has sent up to its file, and gives the part that it is
// for. status is that of the answer to a form that is no good.
func (v *visit) readForm(w http.ResponseWriter) (p taker, status int, err error) {
	mediaType, _, _ := mime.ParseMediaType(v.request.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		err = v.readFields(w)
	} else {
		v.request.Body = http.MaxBytesReader(w, v.request.Body, formOctets)
		err = v.request.ParseForm()
	}
	switch {
	case err != nil && statusOf(err) == http.StatusRequestEntityTooLarge:
		return nil, statusOf(err), errors.New("the form is too long")
	case err != nil:
		return nil, http.StatusBadRequest, errors.New("the form cannot be read")
	case !equal(v.request.PostForm.Get("token"), v.session.token):
		return nil, http.StatusForbidden, errToken
	}
	p, is := v.page.part(v.request.PostForm.Get("part"), v.login.Rights).(taker)
	if !is {
		return nil, http.StatusForbidden, errors.New("the page has no such form for you")
	}
	if r, is := p.(receiver); is && v.file != nil {
		v.file.Reader = http.MaxBytesReader(w, io.NopCloser(v.file.Reader), r.most())
	} else {
		v.file = nil
	}
	return p, 0, nil
}

// readFields reads the fields of a form that has a file, until that comes: formOctets
// of all that is sent, for a field without a name and a value takes memory, too.
func (v *visit) readFields(w http.ResponseWriter) error {
	body := &patient{reader: v.request.Body, control: http.NewResponseController(w), goesOn: v.goesOn}
	_, params, err := mime.ParseMediaType(v.request.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	fields := &io.LimitedReader{R: body, N: formOctets}
	parts := multipart.NewReader(fields, params["boundary"])
	v.request.Form, v.request.PostForm = v.request.URL.Query(), url.Values{}
	for {
		one, err := parts.NextPart()
		switch {
		case fields.N <= 0:
			return &http.MaxBytesError{Limit: formOctets}
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case one.FileName() != "":
			fields.N = math.MaxInt64
			v.file = &upload{one.FileName(), one}
			return nil
		}
		text, err := io.ReadAll(one)
		if err != nil && fields.N <= 0 {
			return &http.MaxBytesError{Limit: formOctets}
		}
		if err != nil {
			return err
		}
		v.request.Form.Add(one.FormName(), string(text))
		v.request.PostForm.Add(one.FormName(), string(text))
	}
}

// stillTime is for how long nothing may come or go of a file.
const stillTime = 30 * time.Second

// patient reads or writes something long: what bounds its time is that something
// goes on.
type patient struct {
	reader  io.Reader
	writer  io.Writer
	control *http.ResponseController
	goesOn  func() error // is told that it does; an error: it must not
}

// Read implements io.Reader.
func (p *patient) Read(octets []byte) (int, error) {
	if err := p.goesOn(); err != nil {
		return 0, err
	}
	late := time.Now().Add(stillTime)
	p.control.SetReadDeadline(late)
	p.control.SetWriteDeadline(late.Add(stillTime)) // of the answer, which comes after the last piece
	return p.reader.Read(octets)
}

// Write implements io.Writer.
func (p *patient) Write(octets []byte) (int, error) {
	if err := p.goesOn(); err != nil {
		return 0, err
	}
	p.control.SetWriteDeadline(time.Now().Add(stillTime))
	return p.writer.Write(octets)
}

// drainMost is how much is read of a file that nobody wants, in octets: a browser
// shows no answer before it has sent all.
const drainMost = 128 << 20

// drain reads what is left of a file, as far as that is worth it.
func (u *upload) drain() {
	if u != nil {
		io.Copy(io.Discard, io.LimitReader(u, drainMost))
	}
}
